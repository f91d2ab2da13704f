"""Attachment scores of dependency trees.

UAS: share of words with the right head; LAS: with the right head and relation, sub-types cut at ":" (Nivre and Fang
2017). With all words (the CoNLL 2018 shared task, Zeman et al. 2018) and without punctuation.
"""

from collections import Counter
from typing import ClassVar

import numpy as np
from babelscope.data.examples import Example, Word

from services.metrics.scores.base import Figure, ItemTable, Score, ratio
from services.metrics.scores.inventory import RELATIONS, outside
from services.metrics.scores.words import paired
from services.runtime.errors import InvalidArgument
from services.runtime.options import NoOptions


class Parsing:
    """UAS and LAS. A word without predicted head counts as an error.

    Args:
        language: BCP 47 language tag; changes nothing.
        options: None.
    """

    name: ClassVar[str] = "parsing"
    summary: ClassVar[str] = "UAS and LAS with and without punctuation; prediction and gold are sentences with trees."
    Options = NoOptions

    def __init__(self, language: str, options: NoOptions) -> None:
        self._rows: list[tuple[int, ...]] = []
        self._predicted: Counter[str] = Counter()
        self._relations: set[str] = set()

    def add(self, prediction: Example, gold: Example, where: str) -> None:
        """Counts right heads and relations of a sentence."""
        counts = [0] * 7
        pairs = paired(prediction, gold, where)
        for index, (word, said) in enumerate(pairs):
            if word.head is None or not 0 <= word.head <= len(pairs) or not word.deprel:
                raise InvalidArgument(
                    f"{where}.gold.sentence.words[{index}].head",
                    f"Expected a head within 0..{len(pairs)} and a relation of word {index + 1} in {gold.id!r}, "
                    f"but got head {word.head} and relation {word.deprel[:40]!r}",
                )
            self._relations.add(_relation(word))
            if said is not None and said.deprel:
                self._predicted[_relation(said)] += 1
            head = said is not None and said.head == word.head
            label = said is not None and head and _relation(said) == _relation(word)
            counts[0] += head
            counts[1] += label
            counts[2] += 1
            if not _punctuation(word):
                counts[3] += head
                counts[4] += label
                counts[5] += 1
            counts[6] += said is None or said.head is None
        self._rows.append(tuple(counts))

    def merge(self, other: Score) -> None:
        """Joins the counts of a shard."""
        assert isinstance(other, Parsing)
        self._rows += other._rows
        self._predicted += other._predicted
        self._relations |= other._relations

    def table(self) -> ItemTable:
        """Right heads, right labelled heads and words a sentence, with and without punctuation."""
        rows = np.array(self._rows, dtype=np.float64)
        missing, words = int(rows[:, 6].sum()), int(rows[:, 2].sum())
        figures = [Figure("uas", "all", ratio(0, 2)), Figure("las", "all", ratio(1, 2))]
        warnings = [f"{missing} of {words} words have no predicted head and count as errors"] if missing else []
        warnings += outside(self._predicted, self._relations, "relations", closed=RELATIONS)
        if rows[:, 5].any():
            figures += [Figure("uas", "no_punct", ratio(3, 5)), Figure("las", "no_punct", ratio(4, 5))]
        else:
            warnings.append(f"All {words} words are punctuation: no figure without it")
        return ItemTable(rows, tuple(figures), {"words": words, "subtypes": "cut"}, tuple(warnings))


def _relation(word: Word) -> str:
    return word.deprel.split(":")[0]


def _punctuation(word: Word) -> bool:
    """By the gold part of speech; by the gold relation where there is none."""
    return word.upos == "PUNCT" if word.upos else _relation(word) == "punct"

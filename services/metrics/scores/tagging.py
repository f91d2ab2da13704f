"""Accuracy of tags, word by word."""

from collections import Counter
from dataclasses import dataclass
from typing import ClassVar, Literal

import numpy as np
from babelscope.data.examples import Example

from services.metrics.scores.base import Figure, ItemTable, Score, ratio
from services.metrics.scores.confusion import MISSING, confusion
from services.metrics.scores.inventory import UPOS, outside
from services.metrics.scores.placeholders import refuse_constant
from services.metrics.scores.words import paired
from services.runtime.errors import InvalidArgument
from services.runtime.options import option


@dataclass(frozen=True)
class TaggingOptions:
    """Options of the accuracy of tags."""

    tag: Literal["upos", "ner"] = option("Field of a word whose tags are compared.", default="upos")
    confusion: bool = option("Whether F1 by tag and the confusion matrix are given as well.", default=False)


class Tagging:
    """Accuracy of tags. A word without predicted tag counts as an error, and so does a tag that gold does not have.

    Args:
        language: BCP 47 language tag; changes nothing.
        options: Choice of the tags to compare.
    """

    name: ClassVar[str] = "tagging"
    summary: ClassVar[str] = "Accuracy of tags; prediction and gold are sentences in words."
    Options = TaggingOptions

    def __init__(self, language: str, options: TaggingOptions) -> None:
        self._tag, self._confusion = options.tag, options.confusion
        self._cells: list[Counter[tuple[str, str]]] = []
        self._rows: list[tuple[int, int, int]] = []
        self._golds: list[str] = []
        self._predicted: Counter[str] = Counter()

    def add(self, prediction: Example, gold: Example, where: str) -> None:
        """Counts right tags of a sentence."""
        right = words = missing = 0
        cells: Counter[tuple[str, str]] = Counter()
        for index, (word, said) in enumerate(paired(prediction, gold, where)):
            tag = str(getattr(word, self._tag))
            if not tag:
                raise InvalidArgument(
                    f"{where}.gold.sentence.words[{index}].{self._tag}",
                    f"Expected a gold tag of word {index + 1} in {gold.id!r}, but got none",
                )
            found = getattr(said, self._tag) if said is not None else ""
            words, right, missing = words + 1, right + (found == tag), missing + (not found)
            self._golds.append(tag)
            cells[tag, found or MISSING] += 1
            if found:
                self._predicted[found] += 1
        self._rows.append((right, words, missing))
        if self._confusion:
            self._cells.append(cells)

    def merge(self, other: Score) -> None:
        """Joins the counts of a shard."""
        assert isinstance(other, Tagging)
        self._rows += other._rows
        self._cells += other._cells
        self._golds += other._golds
        self._predicted += other._predicted

    def table(self) -> ItemTable:
        """Right tags and words a sentence."""
        refuse_constant(self._golds, "tags")
        rows = np.array(self._rows, dtype=np.float64)
        missing, words = int(rows[:, 2].sum()), int(rows[:, 1].sum())
        warnings = [f"{missing} of {words} words have no predicted tag and count as errors"] if missing else []
        closed = UPOS if self._tag == "upos" else frozenset[str]()
        warnings += outside(self._predicted, set(self._golds), "tags", closed=closed)
        figures: tuple[Figure, ...] = (Figure("accuracy", "micro", ratio(0, 1)),)
        if self._confusion:
            cells, more = confusion(self._cells, rows.shape[1])
            rows, figures = np.hstack([rows, cells]), (*figures, *more)
        return ItemTable(rows, figures, {"tag": self._tag, "words": words}, tuple(warnings))

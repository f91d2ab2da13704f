"""Dependency parsing."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import ClassVar, Literal

import numpy as np
from babelscope.data.examples import Example, Sentence, Word

from services.runtime.errors import InvalidArgument
from services.runtime.options import option
from services.trainer.data.pieces import NO_TARGET, Counts, Piece
from services.trainer.data.words import Window, cut_sentences
from services.trainer.tasks.base import Answer, Cutting, Head, Labels, content, indices
from services.trainer.tasks.biaffine import BiaffineHead

ROOT = "root"


@dataclass(frozen=True)
class ParsingOptions:
    """Options of the task."""

    subtypes: Literal["cut", "keep"] = option(
        "Relations without what follows the colon (`cut`), or as they are (`keep`). LAS looks at no subtypes.",
        default="cut",
    )
    dropout: float = option("Dropout of the parser's layers.", default=0.33, minimum=0, maximum=0.9)


class Parsing:
    """Dependency trees by a biaffine parser, measured by LAS and UAS.

    A sentence of too many tokens cannot be split, as arcs would cross the border: its end is left out, and the words
    left out count as errors. So do words without tokens.
    """

    name: ClassVar[str] = "parsing"
    summary: ClassVar[str] = "Head and relation of each word; examples are sentences with dependency trees."
    Options: ClassVar[type[ParsingOptions]] = ParsingOptions
    score: ClassVar[str] = "parsing"
    main: ClassVar[str] = "las"

    def __init__(self, options: ParsingOptions) -> None:
        self._cut_subtypes = options.subtypes == "cut"
        self._dropout = options.dropout

    def score_options(self) -> Mapping[str, str]:
        """None."""
        return {}

    def detail_options(self) -> Mapping[str, str]:
        """Further options of the score: its figures have no labels but those that are always given."""
        return {}

    def labels(self, examples: Sequence[Example]) -> Labels:
        """All relations of the examples."""
        found = {self._relation(word) for each in examples for word in content(each, Sentence, self.name).words}
        return {"deprel": tuple(sorted(found - {""}))}

    def cut(self, examples: Sequence[Example], first: int, cutting: Cutting, counts: Counts) -> list[Piece]:
        """One piece a sentence."""
        known = indices(cutting.labels["deprel"])
        if not cutting.tokenizer.frame(1).before:
            raise InvalidArgument(
                "task", "Expected a model whose tokenizer puts a special token first, where the root stands"
            )
        sentences = [content(example, Sentence, self.name).words for example in examples]
        forms = [[word.form for word in words] for words in sentences]
        pieces: list[Piece] = []
        for place, cut in enumerate(cut_sentences(forms, cutting.tokenizer, cutting.max_tokens, split=False)):
            words = sentences[place]
            counts.examples += 1
            counts.cut += cut.over_long
            counts.lost += cut.lost
            counts.unknown.update({self._relation(word) for word in words} - {*known, ""})
            pieces.extend(self._piece(first + place, window, words, known) for window in cut.windows)
        return pieces

    def _piece(self, example: int, window: Window, words: Sequence[Word], known: Mapping[str, int]) -> Piece:
        """A sentence; its first row is the root's."""
        numbers = np.concatenate(([0], window.words + 1))
        place_of = {number: place for place, number in enumerate(numbers.tolist())}
        heads, relations = [NO_TARGET], [NO_TARGET]
        for number in numbers[1:].tolist():
            word = words[number - 1]
            # The head may be a word that is left out.
            heads.append(NO_TARGET if word.head is None else place_of.get(word.head, NO_TARGET))
            relations.append(known.get(self._relation(word), NO_TARGET))
        return Piece(
            example=example,
            text=window.text,
            segments=None,
            rows=np.concatenate(([0], window.rows)),
            items=numbers,
            targets={
                "heads": np.array(heads, dtype=np.int64),
                "relations": np.array(relations, dtype=np.int64),
            },
            count=sum(head != NO_TARGET for head in heads),
        )

    def head(self, labels: Labels, width: int, seed: int) -> Head:
        """A biaffine parser."""
        relations = labels["deprel"]
        root = relations.index(ROOT) if ROOT in relations and len(relations) > 1 else None
        return BiaffineHead(width, len(relations), root, self._dropout, seed)

    def decode(self, example: Example, said: Sequence[tuple[Piece, Answer]], labels: Labels) -> Example:
        """The sentence with a predicted tree; words without tokens, and those left out, have no head."""
        sentence = content(example, Sentence, self.name)
        words = [Word(word.form, space_after=word.space_after) for word in sentence.words]
        for piece, answer in said:
            pairs = zip(answer["heads"].tolist(), answer["relations"].tolist(), strict=True)
            for number, (head, relation) in zip(piece.items[1:].tolist(), pairs, strict=True):
                words[number - 1] = replace(
                    words[number - 1], head=int(piece.items[head]), deprel=labels["deprel"][relation]
                )
        return replace(example, content=Sentence(tuple(words), sentence.text))

    def scored(self, example: Example) -> bool:
        """Whether the sentence has words, and each of them a head within the sentence and a relation."""
        words = content(example, Sentence, self.name).words
        return bool(words) and all(
            word.head is not None and 0 <= word.head <= len(words) and word.deprel for word in words
        )

    def _relation(self, word: Word) -> str:
        return word.deprel.split(":")[0] if self._cut_subtypes else word.deprel

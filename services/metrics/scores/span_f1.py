"""F1 of named entities (Tjong Kim Sang and De Meulder 2003) after the repair of BIO tags of Conneau et al. 2020.

The repair of predicted tags (section 3.2 of the paper): a stray I-X, one that follows no entity, becomes B-X; an
entity whose words disagree about its type gets the type of its last word: `B-X I-Y I-Z` is `B-Z I-Z I-Z`. Under
`conll` a change of type opens a new span instead. Gold tags must need no repair of types, so they are read in the
same way.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar, Literal

import numpy as np
from babelscope.data.examples import Example

from services.metrics.arrays import F64
from services.metrics.scores.base import Figure, Score, Table, ratio
from services.metrics.scores.words import paired
from services.runtime.errors import InvalidArgument
from services.runtime.options import option

Span = tuple[int, int, str]


@dataclass(frozen=True)
class SpanF1Options:
    """Options of the F1 of spans."""

    repair: Literal["paper", "conll"] = option(
        "`paper` (a span has the type of its last word) or `conll` (a change of type opens a span).", default="paper"
    )


class SpanF1:
    """Micro F1, precision and recall of spans with their type. A word without predicted tag is outside.

    Args:
        language: BCP 47 language tag; changes nothing.
        options: How tags are repaired.
    """

    name: ClassVar[str] = "span_f1"
    summary: ClassVar[str] = "F1 of entity spans; prediction and gold are sentences with BIO tags in `ner`."
    Options = SpanF1Options

    def __init__(self, language: str, options: SpanF1Options) -> None:
        self._repair = options.repair
        self._rows: list[tuple[int, int, int, int, int]] = []

    def add(self, prediction: Example, gold: Example, where: str) -> None:
        """Counts right, predicted and gold spans of a sentence."""
        pairs = paired(prediction, gold, where)
        for index, (word, _) in enumerate(pairs):
            if not word.ner:
                raise InvalidArgument(
                    f"{where}.gold.sentence.words[{index}].ner",
                    f"Expected a gold tag of word {index + 1} in {gold.id!r}, but got none",
                )
        found = spans(
            [said.ner if said is not None else "" for _, said in pairs], f"{where}.prediction", self._repair == "paper"
        )
        right = spans([word.ner for word, _ in pairs], f"{where}.gold", self._repair == "paper")
        missing = sum(said is None or not said.ner for _, said in pairs)
        self._rows.append((len(set(found) & set(right)), len(found), len(right), missing, len(pairs)))

    def merge(self, other: Score) -> None:
        """Joins the counts of a shard."""
        assert isinstance(other, SpanF1)
        self._rows += other._rows

    def table(self) -> Table:
        """Right, predicted and gold spans a sentence."""
        rows = np.array(self._rows, dtype=np.float64)
        _, found, right, missing, words = (int(total) for total in rows.sum(axis=0))
        if not right:
            raise InvalidArgument(
                "items",
                f"Expected gold with at least one span, but all {words} words of n = {len(rows)} sentences are outside",
            )
        warnings = [f"{missing} of {words} words have no predicted tag and count as outside"] if missing else []
        if not found:
            warnings.append("Nothing is predicted: precision is set to 0")
        figures = (
            Figure("f1", "micro", _f1, alone=_f1_alone),
            Figure("precision", "micro", ratio(0, 1, empty=0.0), by_item=False),
            Figure("recall", "micro", ratio(0, 2), by_item=False),
        )
        return Table(rows, figures, {"scheme": "bio", "repair": self._repair, "spans": right}, tuple(warnings))


def spans(tags: Sequence[str], where: str = "tags", last_type: bool = True) -> list[Span]:
    """The spans of BIO tags, repaired.

    Args:
        tags: `B-X`, `I-X`, `O`; an empty tag is outside.
        where: Path of the sentence.
        last_type: A span has the type of its last word; otherwise a change of type opens a new span.

    Returns:
        (first word, one past the last, type) of each.

    Raises:
        InvalidArgument: A tag is none of these.
    """
    found: list[Span] = []
    for index, tag in enumerate(tags):
        if tag in {"", "O"}:
            continue
        prefix, dash, kind = tag.partition("-")
        if prefix not in {"B", "I"} or not dash or not kind:
            raise InvalidArgument(
                f"{where}.sentence.words[{index}].ner", f"Expected B-TYPE, I-TYPE or O, but got {tag[:40]!r}"
            )
        last = found[-1] if found else (0, 0, "")
        if prefix == "I" and found and last[1] == index and (last_type or last[2] == kind):
            found[-1] = (last[0], index + 1, kind)
        else:
            found.append((index, index + 1, kind))
    return found


def _f1(sums: F64) -> F64:
    """100 * 2 TP / (predicted + gold); NaN where there is neither."""
    both = sums[..., 1] + sums[..., 2]
    f1: F64 = np.where(both > 0, 200.0 * sums[..., 0] / np.where(both > 0, both, 1.0), np.nan)
    return f1


def _f1_alone(rows: F64) -> F64:
    """The F1 of single sentences; 100 where there is no span and none is predicted, as SQuAD 2.0 has it of answers."""
    found = _f1(rows)
    return np.where(np.isnan(found), 100.0, found)

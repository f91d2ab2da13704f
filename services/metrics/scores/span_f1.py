"""F1 of spans with their types (Tjong Kim Sang and De Meulder 2003), predicted tags repaired as in Conneau et al. 2020.

The repair of predicted tags (section 3.2 of the paper): a stray I-X, one that follows no entity, becomes B-X; an
entity whose words disagree about its type gets the type of its last word: `B-X I-Y I-Z` is `B-Z I-Z I-Z`. Under
`conll` a change of type opens a new span instead, as in the program conlleval.

Gold is read by its own scheme, told or found over all sentences. Published gold has slips of annotation: where no more
than 1 % of its sentences break the scheme they are repaired in the same way, with a warning. Gold that follows no
scheme is refused; under `conll`, whose program reads whatever it gets, it has a warning instead. Predictions that
follow iob1 throughout are read so where gold is in iob1, as a model trained on such gold predicts.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar, Literal

import numpy as np
from babelscope.data.examples import Example

from services.metrics.arrays import F64
from services.metrics.scores.base import Figure, ItemTable, Score, ratio
from services.metrics.scores.confusion import by_type
from services.metrics.scores.inventory import outside
from services.metrics.scores.schemes import SCHEMES, Tag, as_bio, break_of, read_tags
from services.metrics.scores.words import paired
from services.runtime.errors import InvalidArgument
from services.runtime.options import option

Span = tuple[int, int, str]
_FOUND = "found"
_SLIPS = 0.01
"""Share of gold's sentences that may break its scheme."""


@dataclass
class _Breaks:
    """How gold, or predictions, break a scheme: in how many sentences, and the error of the first."""

    sentences: int = 0
    first: InvalidArgument | None = None


@dataclass(frozen=True)
class SpanF1Options:
    """Options of the F1 of spans."""

    repair: Literal["paper", "conll"] = option(
        "`paper` (a span has the type of its last word) or `conll` (a change of type opens a span).", default="paper"
    )
    scheme: Literal["iob1", "iob2", "iobes", "bilou", "found"] = option(
        "Scheme of the gold tags: `iob1`, `iob2`, `iobes` or `bilou`; `found` from them where not given.",
        default="found",
    )
    types: bool = option("Whether F1 by type is given as well.", default=False)


class SpanF1:
    """Micro F1, precision and recall of spans with their type. A word without predicted tag is outside.

    Args:
        language: Language tag; changes nothing.
        options: How gold is read, and how predictions are repaired.
    """

    name: ClassVar[str] = "span_f1"
    summary: ClassVar[str] = "F1 of entity spans; prediction and gold are sentences with IOB or IOBES tags in `ner`."
    Options = SpanF1Options

    def __init__(self, language: str, options: SpanF1Options) -> None:
        self._repair = options.repair
        self._scheme = options.scheme
        self._types = options.types
        self._by_type: list[tuple[list[Span], list[Span], list[Span]]] = []
        self._gold = {scheme: _Breaks() for scheme in SCHEMES if self._scheme in {_FOUND, scheme}}
        self._predicted_iob1 = True
        self._kinds: Counter[str] = Counter()
        self._gold_kinds: set[str] = set()
        self._repaired: list[tuple[int, int]] = []
        self._as_written: list[tuple[int, int]] = []
        self._rest: list[tuple[int, int, int]] = []

    def add(self, prediction: Example, gold: Example, where: str) -> None:
        """Counts right, predicted and gold spans of a sentence."""
        pairs = paired(prediction, gold, where)
        for index, (word, _) in enumerate(pairs):
            if not word.ner:
                raise InvalidArgument(
                    f"{where}.gold.sentence.words[{index}].ner",
                    f"Expected a gold tag of word {index + 1} in {gold.id!r}, but got none",
                )
        tags = read_tags([word.ner for word, _ in pairs], f"{where}.gold")
        follows = self._follows(tags, gold, [word.form for word, _ in pairs], where)
        said = read_tags([said.ner if said is not None else "" for _, said in pairs], f"{where}.prediction")
        self._predicted_iob1 &= break_of("iob1", said) is None
        right = spans_of(tags, last_type=not follows and self._repair == "paper")
        found, written = spans_of(said, last_type=self._repair == "paper"), spans_of(said, last_type=False)
        self._kinds.update(kind for _, _, kind in found)
        self._gold_kinds.update(kind for _, kind in tags if kind)
        self._repaired.append((len(set(found) & set(right)), len(found)))
        self._as_written.append((len(set(written) & set(right)), len(written)))
        if self._types:
            self._by_type.append((right, found, written))
        missing = sum(said is None or not said.ner for _, said in pairs)
        self._rest.append((len(right), missing, len(pairs)))

    def _follows(self, tags: Sequence[Tag], gold: Example, forms: Sequence[str], where: str) -> bool:
        """Whether a gold sentence follows a scheme that may be gold's; notes which of them it breaks."""
        broken = 0
        for scheme, breaks in self._gold.items():
            at = break_of(scheme, tags)
            if at is None:
                continue
            broken += 1
            breaks.sentences += 1
            if breaks.first is None:
                written = ["the start", *("-".join(tag) if tag[0] else "O" for tag in tags), "the end"]
                breaks.first = InvalidArgument(
                    f"{where}.gold.sentence.words[{at}].ner",
                    f"Expected gold tags in {scheme}, but word {at + 1} ({forms[at][:40]!r}) of {gold.id!r} has "
                    f"{written[at + 1][:40]} between {written[at][:40]} and {written[at + 2][:40]}",
                )
        return broken < len(self._gold)

    def merge(self, other: Score) -> None:
        """Joins the counts of a shard."""
        assert isinstance(other, SpanF1)
        for scheme, breaks in self._gold.items():
            breaks.sentences += other._gold[scheme].sentences
            breaks.first = breaks.first or other._gold[scheme].first
        self._predicted_iob1 &= other._predicted_iob1
        self._kinds += other._kinds
        self._gold_kinds |= other._gold_kinds
        self._repaired += other._repaired
        self._as_written += other._as_written
        self._rest += other._rest
        self._by_type += other._by_type

    def table(self) -> ItemTable:
        """Right, predicted and gold spans a sentence."""
        scheme, slips = self._scheme_of_gold()
        plain = scheme == "iob1" and self._predicted_iob1
        counts = self._as_written if plain else self._repaired
        rows = np.array([(*one, *rest) for one, rest in zip(counts, self._rest, strict=True)], dtype=np.float64)
        _, found, right, missing, words = (int(total) for total in rows.sum(axis=0))
        if not right:
            raise InvalidArgument(
                "items",
                f"Expected gold with at least one span, but all {words} words of n = {len(rows)} sentences are outside",
            )
        warnings = [f"{missing} of {words} words have no predicted tag and count as outside"] if missing else []
        if not found:
            warnings.append("Nothing is predicted: precision is set to 0")
        warnings += slips
        warnings += outside(self._kinds, self._gold_kinds, "entity types")
        figures: tuple[Figure, ...] = (
            Figure("f1", "micro", _f1, alone=_f1_alone),
            Figure("precision", "micro", ratio(0, 1, empty=0.0), by_item=False),
            Figure("recall", "micro", ratio(0, 2), by_item=False),
        )
        if self._types:
            counted = [_counted(gold, written if plain else repaired) for gold, repaired, written in self._by_type]
            more, of_types = by_type(counted, rows.shape[1])
            rows, figures = np.hstack([rows, more]), (*figures, *of_types)
        settings: dict[str, str | int | float] = {
            "scheme": scheme,
            "repair": "none" if plain else self._repair,
            "spans": right,
        }
        return ItemTable(rows, figures, settings, tuple(warnings))

    def _scheme_of_gold(self) -> tuple[str, tuple[str, ...]]:
        """The scheme that gold follows, `none` where it follows none under `conll`, and what to beware of.

        Raises:
            InvalidArgument: It follows none; names the first word that breaks the scheme that most sentences follow.
        """
        sentences = len(self._rest)
        scheme, breaks = min(self._gold.items(), key=lambda item: item[1].sentences)
        if breaks.first is None:
            return scheme, ()
        share = f"{breaks.sentences} of {sentences} gold sentences"
        if breaks.sentences <= _SLIPS * sentences:
            first = breaks.first.problem.partition("but ")[2]
            return scheme, (f"{share} break {scheme} and are repaired as predictions are: the first {first}",)
        others = ", and no fewer any other scheme" if self._scheme == _FOUND else ""
        if self._repair == "conll":
            return "none", (f"{share} break {scheme}{others}: all are read as conlleval does",)
        raise InvalidArgument(breaks.first.field, f"{breaks.first.problem}: {share} break it{others}")


def _counted(gold: list[Span], said: list[Span]) -> tuple[Counter[str], Counter[str], Counter[str]]:
    """Right, predicted and gold spans of a sentence by their type."""
    right = set(gold) & set(said)
    return (
        Counter(kind for _, _, kind in right),
        Counter(kind for _, _, kind in said),
        Counter(kind for _, _, kind in gold),
    )


def spans(tags: Sequence[str], where: str = "tags", last_type: bool = True) -> list[Span]:
    """The spans of tags, repaired.

    Args:
        tags: `B-X`, `I-X`, `O`, or with the prefixes of IOBES or BILOU; an empty tag is outside.
        where: Path of the sentence.
        last_type: A span has the type of its last word; otherwise a change of type opens a new span.

    Returns:
        (first word, one past the last, type) of each.

    Raises:
        InvalidArgument: A tag is none of these.
    """
    return spans_of(read_tags(tags, where), last_type)


def spans_of(tags: Sequence[Tag], last_type: bool) -> list[Span]:
    """The spans of tags in their parts, as of `spans`."""
    found: list[Span] = []
    for index, (prefix, kind) in enumerate(as_bio(tags)):
        if not prefix:
            continue
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

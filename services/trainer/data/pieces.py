"""Pieces: what a model sees of an example, within its length limit."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from services.models.spec import TokenizedText
from services.models.tokens.tokenization import Frame

Ints = NDArray[np.int64]

NO_TARGET = -1
"""Target of a row that is no part of the loss."""


@dataclass(frozen=True, eq=False)
class Piece:
    """A part of an example, or all of it.

    Attributes:
        example: Place of the example in its set.
        text: [T] tokens.
        segments: [T] segment of each token; None where all are 0.
        rows: [m] tokens that the task's head reads.
        items: [m] what each of them stands for: the place of a word in its sentence, or of a token in its context.
        targets: Right answers by name, for each row or for the piece; `NO_TARGET` where there is none.
        count: Terms of the loss.
        language: Language tag of its text.
    """

    example: int
    text: TokenizedText
    segments: Ints | None
    rows: Ints
    items: Ints
    targets: Mapping[str, Ints]
    count: int
    language: str = ""


@dataclass
class Counts:
    """What became of the examples of a set; see `Prepared`."""

    examples: int = 0
    split: int = 0
    cut: int = 0
    lost: int = 0
    unlabelled: int = 0
    unknown: set[str] = field(default_factory=set)


def framed(frame: Frame, parts: Sequence[TokenizedText]) -> tuple[TokenizedText, Ints | None, list[int]]:
    """Put special tokens around texts without any.

    Args:
        frame: Special tokens for one text, or for two.
        parts: The one text, or the two; `bare` makes them.

    Returns:
        The tokens; their segments, None where all are 0; and the row at which each part begins.
    """
    ids: list[Ints] = []
    special: list[NDArray[np.bool_]] = []
    spans: list[NDArray[np.int32]] = []
    segments: list[Ints] = []
    begins: list[int] = []

    def put_special(tokens: Sequence[tuple[int, int]]) -> None:
        ids.append(np.array([token for token, _ in tokens], dtype=np.int64))
        segments.append(np.array([segment for _, segment in tokens], dtype=np.int64))
        special.append(np.ones(len(tokens), dtype=bool))
        spans.append(np.zeros((len(tokens), 2), dtype=np.int32))

    put_special(frame.before)
    for place, (part, segment) in enumerate(zip(parts, frame.segments, strict=True)):
        if place:
            put_special(frame.between)
        begins.append(sum(len(each) for each in ids))
        ids.append(part.ids)
        segments.append(np.full(len(part), segment, dtype=np.int64))
        special.append(np.zeros(len(part), dtype=bool))
        spans.append(np.stack((part.starts, part.ends), axis=1))
    put_special(frame.after)
    both = np.concatenate(spans)
    joined = np.concatenate(segments)
    text = TokenizedText(
        ids=np.concatenate(ids),
        special=np.concatenate(special),
        starts=np.ascontiguousarray(both[:, 0]),
        ends=np.ascontiguousarray(both[:, 1]),
        truncated=any(part.truncated for part in parts),
        full_length=frame.tokens + sum(part.full_length for part in parts),
    )
    return text, joined if joined.any() else None, begins


def bare(text: TokenizedText) -> TokenizedText:
    """A text without the special tokens that the tokenizer put around it."""
    content = np.flatnonzero(~text.special)
    return _taken(text, content, len(content))


def part(text: TokenizedText, first: int, last: int) -> TokenizedText:
    """Tokens `first` up to but without `last` of a bare text."""
    return _taken(text, np.arange(first, min(last, len(text))), len(text))


def _taken(text: TokenizedText, places: NDArray[np.int64], full_length: int) -> TokenizedText:
    return TokenizedText(
        ids=text.ids[places],
        special=text.special[places],
        starts=text.starts[places],
        ends=text.ends[places],
        truncated=len(places) < full_length,
        full_length=full_length,
    )

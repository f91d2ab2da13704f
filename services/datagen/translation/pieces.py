"""Texts cut into what a neural model translates at a time, and put together again."""

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass

# A sentence ends at its sign with closing quotes and brackets: before white space, or anywhere after a full-width one.
# Signs in a row are looked at once, not again from each of them.
_END = re.compile(r"(?:(?<![.!?…؟।॥])[.!?…؟।॥]++[\"'”’»)\]]*+(?=\s))|(?:[。！？]++[”’」』）]*+)|(?=\n)")
_WIDTH = 16
"""Batches that are read ahead, so that texts of like length share one."""


@dataclass(frozen=True, slots=True)
class Piece:
    """A part of a text.

    Attributes:
        text: What is translated; empty where the part is white space alone.
        before: White space before it.
    """

    text: str
    before: str = ""


def sentences(text: str) -> list[Piece]:
    """Cuts a text into sentences; joined with their white space they are the text again, but for its end."""
    ends = [match.end() for match in _END.finditer(text)]
    found, at, seen = [], 0, 0
    for end in [*ends, len(text)]:
        blank = not text[seen:end].strip()
        seen = end
        if blank:  # what stands before it since the last sentence is blank as well, and not looked at again
            continue
        part = text[at:end]
        found.append(Piece(part.strip(), part[: len(part) - len(part.lstrip())]))
        at += len(part.rstrip())
    return found


def halves(piece: Piece, fits: Callable[[str], bool]) -> Iterator[Piece]:
    """Cuts a piece at the white space nearest its middle, or in the middle, until each part fits."""
    if len(piece.text) < 2 or fits(piece.text):
        yield piece
        return
    middle = len(piece.text) // 2
    spaces = [match.start() for match in re.finditer(r"\s+", piece.text)]
    at = min(spaces, key=lambda place: abs(place - middle), default=middle)
    right = piece.text[at:]
    yield from halves(Piece(piece.text[:at], piece.before), fits)
    body = right.lstrip()
    yield from halves(Piece(body, right[: len(right) - len(body)]), fits)


def join(pieces: Sequence[Piece], translations: Sequence[str], *, spaced: bool) -> str:
    """Puts translated pieces together.

    Args:
        pieces: Pieces as they were cut.
        translations: Translation of each piece.
        spaced: Whether the target puts a space between sentences: then one is put where the source has none.
    """
    text = ""
    for piece, translation in zip(pieces, translations, strict=True):
        before = piece.before
        if spaced and text and not before:
            before = " "
        elif not spaced and before == " ":
            before = ""
        text += before + translation
    return text


def batches(lengths: Sequence[int], budget: int) -> Iterator[list[int]]:
    """Groups of indices, longest first, whose padded size is within a budget; one too long stands alone."""
    held: list[int] = []
    for i in sorted(range(len(lengths)), key=lambda index: -lengths[index]):
        if held and lengths[held[0]] * (len(held) + 1) > budget:
            yield held
            held = []
        held.append(i)
    if held:
        yield held


def windows(texts: Iterable[tuple[list[Piece], int]], budget: int) -> Iterator[list[tuple[list[Piece], int]]]:
    """Texts with their tokens, as many as fill some batches."""
    held: list[tuple[list[Piece], int]] = []
    size = 0
    for text in texts:
        held.append(text)
        size += text[1]
        if size >= budget * _WIDTH:
            yield held
            held, size = [], 0
    if held:
        yield held

"""The span of a text that is closest to an answer: minimal edit distance over all substrings.

Hsu et al. 2019, section 2.1 ("fuzzy matching"). Exact always: edlib's bit-parallel alignment where it is installed and
can, an own bit-parallel one in Python elsewhere.
"""

import unicodedata
from bisect import bisect_right
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

from services.runtime.text.forms import in_form

try:
    import edlib
except ImportError:  # the extra `datagen` installs it
    edlib = None

ALPHABET = 250
"""Distinct symbols that edlib is given at most; it refuses more than 256."""
_OTHER = 1


@dataclass(frozen=True, slots=True)
class Match:
    """A span `text[start:end]` and its edit distance from the answer."""

    start: int
    end: int
    distance: int


def closest_span(text: str, answer: str, position: float = 0.0, *, nfkc: bool = False) -> Match:
    """Finds the span of a text with the smallest edit distance from an answer.

    Among spans of that distance: the one whose start is nearest to `position * len(text)`; among these the first,
    then the one whose length is nearest to the answer's, then the shorter. A span has at least one character.

    Args:
        text: The text, not empty.
        answer: What to look for, not empty.
        position: Expected start of the answer relative to the text's length, 0..1.
        nfkc: Compare, and count the distance, on NFKC forms; offsets are into the raw text, and a border inside what
            one raw character stands for moves outwards.

    Returns:
        The span and its distance.

    Raises:
        ValueError: The text or the answer is empty.
    """
    if not text or not answer:
        raise ValueError("Expected a text and an answer of at least one character")
    if not nfkc or (in_form("NFKC", text) == text and in_form("NFKC", answer) == answer):
        return _closest(text, answer, position * len(text))
    plain, starts = _normalised(text)
    found = _closest(plain, in_form("NFKC", answer), position * len(plain))
    after = bisect_right(starts, starts[found.end - 1])
    return Match(starts[found.start], starts[after] if after < len(starts) else len(text), found.distance)


def _closest(text: str, answer: str, near: float) -> Match:
    exact = _exact(text, answer, near)
    if exact is not None:
        return Match(exact, exact + len(answer), 0)
    wanted, there, align = _prepared(answer, text)
    # Read backwards, the places where a best match ends are the places where one starts.
    distance, stops = align(wanted[::-1], there[::-1], True)
    if distance >= len(answer):  # nothing in common: any span up to the answer's length is as far
        start = _nearest([min(int(near) + i, len(text) - 1) for i in (0, 1)], near)
        return Match(start, start + min(len(answer), len(text) - start), len(answer))
    start = _nearest([len(text) - 1 - stop for stop in reversed(stops)], near)
    _, stops = align(wanted, there[start : start + len(answer) + distance], False)
    length = min((stop + 1 for stop in stops if stop >= 0), key=lambda n: (abs(n - len(answer)), n))
    return Match(start, start + length, distance)


def _exact(text: str, answer: str, near: float) -> int | None:
    """The start of the answer itself that is nearest to a place."""
    centre = min(max(int(near), 0), len(text))
    # Two look-ups around the place, not one for every occurrence.
    before, after = text.rfind(answer, 0, centre + len(answer)), text.find(answer, centre + 1)
    starts = [start for start in (before, after) if start >= 0]
    return _nearest(starts, near) if starts else None


def _nearest(starts: Sequence[int], near: float) -> int:
    return min(starts, key=lambda start: (abs(start - near), start))


Symbols = str | bytes
Align = Callable[[Any, Any, bool], tuple[int, list[int]]]
"""(query, text, anywhere): the smallest distance of the query from a substring (a prefix where not `anywhere`), and
where such substrings end: positions of their last characters."""


def _prepared(answer: str, text: str) -> tuple[Symbols, Symbols, Align]:
    """Answer and text as symbols of the answer's own alphabet, and what aligns them."""
    if edlib is None or len(set(answer)) > ALPHABET:
        return answer, text, python_alignment
    if answer.isascii() and text.isascii():
        return answer.encode(), text.encode(), edlib_alignment
    alphabet = _Alphabet({ord(character): i + 2 for i, character in enumerate(set(answer))})
    return (
        answer.translate(alphabet).encode("latin-1"),
        text.translate(alphabet).encode("latin-1"),
        edlib_alignment,
    )


class _Alphabet(dict[int, int]):
    """The answer's characters by small numbers; all others are one symbol that matches nothing."""

    def __missing__(self, code: int) -> int:
        self[code] = _OTHER
        return _OTHER


def edlib_alignment(query: bytes, text: bytes, anywhere: bool) -> tuple[int, list[int]]:
    """Aligns with edlib; query and text have at most 256 distinct symbols."""
    found = edlib.align(query, text, mode="HW" if anywhere else "SHW", task="distance")
    return found["editDistance"], [stop for _, stop in found["locations"]]


def python_alignment(query: Symbols, text: Symbols, anywhere: bool) -> tuple[int, list[int]]:
    """Aligns with Myers' bit vectors (Myers 1999; Hyyrö 2001) held in Python's own long integers, any alphabet."""
    size = len(query)
    mask, top = (1 << size) - 1, 1 << (size - 1)
    places: dict[object, int] = {}
    for i, character in enumerate(query):
        places[character] = places.get(character, 0) | 1 << i
    up, down, score = mask, 0, size  # where the column rises, where it falls, its last entry
    best, stops = size, [-1]
    for position, character in enumerate(text):
        match = places.get(character, 0)
        diagonal = (((match & up) + up) ^ up) | match | down
        right, left = down | (~(diagonal | up) & mask), diagonal & up
        score += bool(right & top) - bool(left & top)
        # The row above the query costs nothing where a match may start anywhere, one a character where it may not.
        right, left = (right << 1) | (not anywhere), left << 1
        up, down = (left | ~(diagonal | right)) & mask, right & diagonal & mask
        if score < best:
            best, stops = score, []
        if score == best:
            stops.append(position)
    return best, stops


def _normalised(text: str) -> tuple[str, list[int]]:
    """The NFKC form of a text, and for each of its characters where the raw ones that it stands for start."""
    pieces, starts = [], list[int]()
    borders = [i for i, character in enumerate(text) if i == 0 or _begins(character)]
    for start, end in zip(borders, [*borders[1:], len(text)], strict=True):
        piece = in_form("NFKC", text[start:end])
        pieces.append(piece)
        starts += [start] * len(piece)
    return "".join(pieces), starts


@cache
def _begins(character: str) -> bool:
    """Whether normal forms never join or reorder a character with what is before it (UAX 15, section 9)."""
    first = unicodedata.normalize("NFKD", character)[0]
    return unicodedata.combining(first) == 0 and first not in _joining()


@cache
def _joining() -> frozenset[str]:
    """Characters that compose with one before: second parts of canonical pairs; vowels and tails of hangul."""
    pairs = (unicodedata.decomposition(chr(code)) for code in range(0x20000))
    seconds = {chr(int(pair.split()[1], 16)) for pair in pairs if pair[:1] != "<" and len(pair.split()) == 2}
    return frozenset(seconds | {chr(code) for code in (*range(0x1161, 0x1176), *range(0x11A8, 0x11C3))})

"""Changes of a text as replaced spans, and where every offset of the old text lies in the new one."""

import re
from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property
from itertools import accumulate
from typing import Protocol

from services.datagen.text.bounds import joined
from services.datagen.text.differences import Work, differences


class Rewritten(Protocol):
    """A changed text that still knows the old one's offsets."""

    @property
    def text(self) -> str:
        """The new text."""

    def span(self, start: int, end: int) -> tuple[int, int, bool]:
        """Where a span of the old text lies in the new one.

        Returns:
            Its start, its end, and whether it had to be widened.
        """


@dataclass(frozen=True, slots=True)
class Edit:
    """One replaced span: `old[start:end]` becomes `new`; an insertion where start equals end."""

    start: int
    end: int
    new: str


class Edits:
    """A text and its replaced spans.

    A border of a span that falls *inside* a replaced span moves outwards, to that span's own border: a span grows by
    what was replaced with it and never ends inside a word that is not there any more. What is inserted right before
    or right after a span stays outside of it.

    Args:
        old: The old text.
        edits: In order, not overlapping.

    Attributes:
        text: The new text.

    Raises:
        ValueError: The edits overlap, are out of order or outside of the text.
        LimitExceeded: The new text would be too long.
    """

    def __init__(self, old: str, edits: Iterable[Edit] = ()) -> None:
        self.old = old
        self.edits = tuple(edits)
        pieces, at = list[str](), 0
        for edit in self.edits:
            if not at <= edit.start <= edit.end <= len(old):
                raise ValueError(f"Expected edits in order within 0..{len(old)}, but got {edit} after {at}")
            pieces += (old[at : edit.start], edit.new)
            at = edit.end
        self.text = joined((*pieces, old[at:])) if pieces else old

    def span(self, start: int, end: int) -> tuple[int, int, bool]:
        """Where a span of the old text lies in the new one: start, end, and whether it was widened."""
        return self.start(start), self.end(end), self.cuts(start) or self.cuts(end)

    def start(self, offset: int) -> int:
        """Where a span that starts at `offset` of the old text starts in the new one."""
        passed = bisect_right(self._ends, offset)
        if passed < len(self.edits) and self._starts[passed] < offset:
            return self._starts[passed] + self._shifts[passed]
        return offset + self._shifts[passed]

    def end(self, offset: int) -> int:
        """Where a span that ends before `offset` of the old text ends in the new one."""
        begun = bisect_left(self._starts, offset)
        last = self._ends[begun - 1] if begun else offset
        return max(last, offset) + self._shifts[begun]

    def cuts(self, offset: int) -> bool:
        """Whether an offset of the old text falls inside a replaced span."""
        begun = bisect_left(self._starts, offset)
        return begun > 0 and offset < self._ends[begun - 1]

    @cached_property
    def _starts(self) -> list[int]:
        """Where the edits start; they stand in order, as do their ends."""
        return [edit.start for edit in self.edits]

    @cached_property
    def _ends(self) -> list[int]:
        return [edit.end for edit in self.edits]

    @cached_property
    def _shifts(self) -> list[int]:
        """By how much a text moves after none of the edits, the first, the first two, ..."""
        return list(accumulate((len(edit.new) - (edit.end - edit.start) for edit in self.edits), initial=0))


def between(old: str, new: str) -> Edits:
    """The edits that make one text of another, where what changed it does not tell.

    Where only white space differs, all else stays in its place. Otherwise texts are compared by what stands between
    white space, and what differs there by characters: common parts stay. The work is bounded (see `differences`):
    in very long texts without order more is replaced than need be.
    """
    if old == new:
        return Edits(old)
    edits = Edits(old, _differences(old, new))
    assert edits.text == new
    return edits


def _differences(old: str, new: str) -> Iterator[Edit]:
    if _spelled_alike(old, new):
        yield from _gaps(old, new)
        return
    left, right = _PARTS.findall(old), _PARTS.findall(new)
    work = Work(len(old) + len(new))
    places = list(accumulate(map(len, left), initial=0))
    for i, j, k, m in differences(left, right, work):
        before, after = "".join(left[i:j]), "".join(right[k:m])
        edits = _gaps(before, after) if _spelled_alike(before, after) else _changes(before, after, work)
        for edit in edits:
            yield Edit(places[i] + edit.start, places[i] + edit.end, edit.new)


def _spelled_alike(old: str, new: str) -> bool:
    """Whether two texts differ in nothing but white space."""
    return "".join(old.split()) == "".join(new.split())


def _gaps(old: str, new: str) -> Iterator[Edit]:
    """The edits of white space."""
    at = there = 0
    for match, twin in zip(_PRINTED.finditer(old), _PRINTED.finditer(new), strict=True):
        start, other = match.start(), twin.start()
        if old[at:start] != new[there:other]:
            yield Edit(at, start, new[there:other])
        at, there = start + 1, other + 1
    if old[at:] != new[there:]:
        yield Edit(at, len(old), new[there:])


def _changes(old: str, new: str, work: Work) -> Iterator[Edit]:
    """The edits of characters."""
    for i, j, k, m in differences(old, new, work):
        yield Edit(i, j, new[k:m])


_PARTS = re.compile(r"\s+|\S+")
_PRINTED = re.compile(r"\S")

"""Changes of a text as replaced spans, and where every offset of the old text lies in the new one."""

import difflib
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Protocol


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
        self.text = "".join((*pieces, old[at:])) if pieces else old

    def span(self, start: int, end: int) -> tuple[int, int, bool]:
        """Where a span of the old text lies in the new one: start, end, and whether it was widened."""
        return self.start(start), self.end(end), self.cuts(start) or self.cuts(end)

    def start(self, offset: int) -> int:
        """Where a span that starts at `offset` of the old text starts in the new one."""
        shift = 0
        for edit in self.edits:
            if edit.start > offset or (edit.start == offset and edit.end > offset):
                break
            if edit.end > offset:
                return edit.start + shift
            shift += len(edit.new) - (edit.end - edit.start)
        return offset + shift

    def end(self, offset: int) -> int:
        """Where a span that ends before `offset` of the old text ends in the new one."""
        shift = 0
        for edit in self.edits:
            if edit.start >= offset:
                break
            shift += len(edit.new) - (edit.end - edit.start)
            if edit.end >= offset:
                return edit.end + shift
        return offset + shift

    def cuts(self, offset: int) -> bool:
        """Whether an offset of the old text falls inside a replaced span."""
        return any(edit.start < offset < edit.end for edit in self.edits)


def between(old: str, new: str) -> Edits:
    """The edits that make one text of another, where what changed it does not tell.

    Where only white space differs, all else stays in its place. Otherwise texts are compared by what stands between
    white space, and what differs there by characters: common parts stay.
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
    at = 0
    # White space is no part that others are told apart by: taken for common it would tear words from their places.
    for kind, i, j, k, m in difflib.SequenceMatcher(str.isspace, left, right, autojunk=False).get_opcodes():
        before, after = "".join(left[i:j]), "".join(right[k:m])
        if kind != "equal":
            edits = _gaps(before, after) if _spelled_alike(before, after) else _changes(before, after)
            for edit in edits:
                yield Edit(at + edit.start, at + edit.end, edit.new)
        at += len(before)


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


def _changes(old: str, new: str) -> Iterator[Edit]:
    """The edits of characters."""
    for kind, i, j, k, m in difflib.SequenceMatcher(str.isspace, old, new, autojunk=False).get_opcodes():
        if kind != "equal":
            yield Edit(i, j, new[k:m])


_PARTS = re.compile(r"\s+|\S+")
_PRINTED = re.compile(r"\S")

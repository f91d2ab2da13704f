"""Changes of a text as replaced spans, and where every offset of the old text lies in the new one."""

import difflib
from collections.abc import Iterable
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
    """The edits that make one text of another, where what changed it does not tell: the longest common parts stay."""
    matcher = difflib.SequenceMatcher(None, old, new, autojunk=False)
    edits = Edits(
        old,
        [Edit(i, j, new[k:m]) for kind, i, j, k, m in matcher.get_opcodes() if kind != "equal"] if old != new else (),
    )
    assert edits.text == new
    return edits

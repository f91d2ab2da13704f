"""Offsets of answers that were counted in bytes, in UTF-16 units or with other line ends, as offsets in code points."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

UNITS: Final = {"bytes": ("utf-8", 1), "utf16": ("utf-16-le", 2)}
"""What offsets are counted in besides code points, in the order in which it is tried: encoding, and bytes a unit."""


NEWLINES: Final = "newlines"
"""Code points, where CRLF counted as one, or LF as two in a text that has no CR."""


@dataclass(frozen=True, slots=True)
class Counted:
    """Where an answer stands when its offset is counted in another unit.

    Attributes:
        unit: `bytes`, `utf16` or `newlines`.
        start: The offset in code points.
    """

    unit: str
    start: int


def counted_otherwise(context: str, answer: str, start: int) -> Counted | None:
    """Where an answer stands if its offset was counted in bytes of UTF-8, in units of UTF-16, or with other line ends.

    Args:
        context: The text that holds the answer.
        answer: Its text, not empty.
        start: The offset, at which the answer does not stand in code points.

    Returns:
        The first unit in which the answer stands exactly at the offset; None where there is none.
    """
    return next(_exact(context, answer, start), None)


def _exact(context: str, answer: str, start: int) -> Iterator[Counted]:
    if start < 0:
        return
    for unit, (encoding, size) in () if context.isascii() else UNITS.items():
        before = context.encode(encoding, "surrogatepass")[: start * size]
        try:
            found = len(before.decode(encoding))
        except UnicodeDecodeError:  # the offset lies within a character
            continue
        if len(before) == start * size and context.startswith(answer, found):
            yield Counted(unit, found)
    place = _with_other_line_ends(context, start)
    if place is not None and context.startswith(answer, place):
        yield Counted(NEWLINES, place)


def _with_other_line_ends(context: str, start: int) -> int | None:
    """An offset that was counted with the other kind of line ends; None where it lies within one, or there are none."""
    if "\r\n" in context:
        before = 0
        for before, match in enumerate(re.finditer("\r\n", context)):
            if match.start() - before >= start:
                return start + before
        return start + before + 1
    if "\n" not in context or "\r" in context:
        return None
    before = 0
    for before, match in enumerate(re.finditer("\n", context)):
        if match.start() + before + 1 >= start:
            return None if match.start() + before + 1 == start else start - before
    return start - before - 1

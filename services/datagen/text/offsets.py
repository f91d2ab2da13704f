"""Offsets of answers that were counted in bytes or in UTF-16 units, as offsets in code points."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

UNITS: Final = {"bytes": ("utf-8", 1), "utf16": ("utf-16-le", 2)}
"""What offsets are counted in besides code points, in the order in which it is tried: encoding, and bytes a unit."""


@dataclass(frozen=True, slots=True)
class Counted:
    """Where an answer stands when its offset is counted in another unit.

    Attributes:
        unit: `bytes` or `utf16`.
        start: The offset in code points.
    """

    unit: str
    start: int


def counted_otherwise(context: str, answer: str, start: int) -> Counted | None:
    """Where an answer stands if its offset was counted in bytes of UTF-8, or else in units of UTF-16.

    Args:
        context: The text that holds the answer.
        answer: Its text, not empty.
        start: The offset, at which the answer does not stand in code points.

    Returns:
        The first unit in which the answer stands exactly at the offset; None where there is none.
    """
    return next(_exact(context, answer, start), None)


def _exact(context: str, answer: str, start: int) -> Iterator[Counted]:
    if start < 0 or context.isascii():
        return
    for unit, (encoding, size) in UNITS.items():
        before = context.encode(encoding, "surrogatepass")[: start * size]
        try:
            found = len(before.decode(encoding))
        except UnicodeDecodeError:  # the offset lies within a character
            continue
        if len(before) == start * size and context.startswith(answer, found):
            yield Counted(unit, found)

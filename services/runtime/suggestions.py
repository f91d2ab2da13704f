"""Names that look like a name that does not exist, and the error that offers them.

Comparing is quadratic in the length of the names, and both names and lists may come from a client. Both are therefore
bounded: a name of more than `LONGEST` characters gets no suggestion, and of more than `MOST` names only those are
compared that share the most pairs of letters with it, which is found in linear time.
"""

import difflib
import heapq
from collections.abc import Iterable
from typing import Final

from services.runtime.errors import InvalidArgument

LONGEST: Final = 100
"""Characters of a name that is compared."""
MOST: Final = 100
"""Names that are compared with one."""
_LISTED: Final = 40
"""Names that an error lists."""
_SHOWN: Final = 80
"""Characters of a wrong name that an error shows."""


def closest(name: str, names: Iterable[str], *, n: int = 1, cutoff: float = 0.6) -> list[str]:
    """Names that look alike, the most similar first.

    Args:
        name: A name that does not exist.
        names: Names that do.
        n: Largest number of names in the answer.
        cutoff: Smallest similarity, within 0..1: twice the share of letters in common, as difflib counts it.
    """
    if len(name) > LONGEST:
        return []
    known = [each for each in names if len(each) <= LONGEST]
    if len(known) > MOST:
        pairs = _pairs(name)
        known = heapq.nlargest(MOST, known, key=lambda each: len(pairs & _pairs(each)))
    return difflib.get_close_matches(name, known, n=n, cutoff=cutoff)


def hint(name: str, names: Iterable[str]) -> str:
    """A clause that offers the name that looks most alike, to follow a sentence; empty where there is none."""
    near = closest(name, names)
    return f"; did you mean {near[0]!r}?" if near else ""


def unknown(field: str, kind: str, name: str, names: Iterable[str]) -> InvalidArgument:
    """The error of a name that is none of those offered.

    Args:
        field: Path of the field that holds the name.
        kind: What is named, with its article: `a measure`, `an option of procrustes`.
        name: The name that was given.
        names: The names that are offered, in the order in which the error lists them.
    """
    offered = list(names)
    listed = ", ".join(offered[:_LISTED]) + (", ..." if len(offered) > _LISTED else "")
    return InvalidArgument(field, f"Expected {kind} of {listed}, but got {name[:_SHOWN]!r}{hint(name, offered)}")


def _pairs(name: str) -> set[str]:
    """All pairs of neighbouring letters."""
    return {name[index : index + 2] for index in range(len(name) - 1)}

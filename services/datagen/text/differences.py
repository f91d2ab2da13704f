"""What two sequences have in common, in their order, with work that is bounded by a constant and their lengths.

`difflib` looks for the longest common run, then for the longest on either side of it, and so on. Each look costs as
much as there are equal pairs, so that it is quadratic where one part repeats (`a a a ...`) and where every second part
differs. Here each look is counted before it is taken. Where the looks might cost too much, the sequences are cut at
parts that occur once in both (patience diff, B. Cohen), which is found in n log n, and what lies between two cuts is
looked at alone. What is left when the work is used up counts as different: edits become longer, and are still right.
"""

from bisect import bisect_left
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from difflib import SequenceMatcher
from itertools import accumulate
from typing import Final, NamedTuple

from services.runtime.work import check_here

LEAST_WORK: Final = 1 << 22
"""Pairs of parts that are compared whatever the lengths."""
WORK_A_PART: Final = 4
"""Pairs that are compared besides, for each part of the sequences."""

DEAR: Final = 1 << 24
"""Pairs above which, in the worst case, sequences are cut at what they have in common for certain."""


class Work:
    """What may still be compared.

    Args:
        parts: Number of parts of both sequences.
    """

    def __init__(self, parts: int) -> None:
        self.left = LEAST_WORK + WORK_A_PART * parts

    def take(self, pairs: int) -> bool:
        """Uses some of it, where there is enough."""
        if pairs > self.left:
            return False
        self.left -= pairs
        return True


class Range(NamedTuple):
    """`old[i:j]` against `new[k:m]`."""

    i: int
    j: int
    k: int
    m: int


def differences(old: Sequence[str], new: Sequence[str], work: Work) -> Iterator[Range]:
    """Yields what differs, in order.

    White space is no part that others are told apart by: taken for common it would tear words from their places.

    Args:
        old: Parts, or characters, of a text.
        new: Parts, or characters, of the other text.
        work: What may be compared; what is used is taken off.

    Raises:
        Stopped: Nobody waits for the work of this thread any more.
    """
    i = k = 0
    for block in [*_common(old, new, work), Range(len(old), len(old), len(new), len(new))]:
        if i < block.i or k < block.k:
            yield Range(i, block.i, k, block.k)
        i, k = block.j, block.m


def _common(old: Sequence[str], new: Sequence[str], work: Work) -> list[Range]:
    """The common runs, in order."""
    matcher = SequenceMatcher(str.isspace, old, new, autojunk=False)
    places: Mapping[str, Sequence[int]] = vars(matcher)["b2j"]
    pairs = list(accumulate((1 + len(places.get(part, ())) for part in old), initial=0))
    found: list[Range] = []
    waiting = [Range(0, len(old), 0, len(new))]
    while waiting:
        i, j, k, m = waiting.pop()
        if i == j or k == m:
            continue
        check_here()
        cost = pairs[j] - pairs[i]
        # As many looks as there are parts may follow.
        dear = cost * min(j - i, m - k) > DEAR
        runs = _certain(old, new, Range(i, j, k, m), work) if dear else []
        if not runs and work.take(cost):
            a, b, size = matcher.find_longest_match(i, j, k, m)
            runs = [Range(a, a + size, b, b + size)] if size else []
        found += runs
        # Nothing is looked at again between the runs where there are none.
        if runs:
            ends = [*runs, Range(j, j, m, m)]
            for run in ends:
                waiting.append(Range(i, run.i, k, run.k))
                i, k = run.j, run.m
    return sorted(found)


def _certain(old: Sequence[str], new: Sequence[str], within: Range, work: Work) -> list[Range]:
    """What both begin and end with, or else the parts that occur once in both and stand in the same order."""
    i, j, k, m = within
    if not work.take(j - i + m - k):
        return []
    while i < j and k < m and old[i] == new[k]:
        i, k = i + 1, k + 1
    while i < j and k < m and old[j - 1] == new[m - 1]:
        j, m = j - 1, m - 1
    ends = [Range(within.i, i, within.k, k), Range(j, within.j, m, within.m)]
    if trimmed := [run for run in ends if run.i < run.j]:
        return trimmed
    counts = Counter(old[i:j]), Counter(new[k:m])
    places = {part: place for place, part in enumerate(new[k:m], start=k) if counts[1][part] == 1}
    once = [
        (place, places[part])
        for place, part in enumerate(old[i:j], start=i)
        if part in places and counts[0][part] == 1 and not part.isspace()
    ]
    return [Range(a, a + 1, b, b + 1) for a, b in _rising(once)]


def _rising(pairs: Sequence[tuple[int, int]]) -> list[tuple[int, int]]:
    """The longest part of a list of pairs, sorted by their first numbers, in which the second rise as well."""
    tails: list[int] = []  # the least last number of a rising list of each length
    last: list[int] = []  # and which pair that is
    before: list[int] = []
    for number, (_, place) in enumerate(pairs):
        at = bisect_left(tails, place)
        before.append(last[at - 1] if at else -1)
        tails[at : at + 1] = [place]
        last[at : at + 1] = [number]
    chain: list[tuple[int, int]] = []
    number = last[-1] if last else -1
    while number >= 0:
        chain.append(pairs[number])
        number = before[number]
    return chain[::-1]

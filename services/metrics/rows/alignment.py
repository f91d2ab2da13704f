"""Which rows of two views belong together: by id, whatever their order."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from services.metrics.rows.plans import Alignment
from services.metrics.rows.reports import PairReport
from services.runtime.errors import InvalidArgument

_EXAMPLES = 5


@dataclass(frozen=True, eq=False)
class AlignedGroup:
    """Pairs of views over the same items in the same order, so that what belongs to one view is computed once.

    Args:
        ids: The items.
        rows: For each view, the row of each item; None where that is the view's own order.
        pairs: Indices of views.
    """

    ids: tuple[str, ...]
    rows: dict[int, NDArray[np.intp] | None] = field(default_factory=dict)
    pairs: list[tuple[int, int]] = field(default_factory=list)


def check_unique(name: str, ids: Sequence[str], field_name: str) -> None:
    """Refuses ids that occur twice.

    Args:
        name: Name of the view.
        ids: Ids of the whole view, in the order they came.
        field_name: Path of an id in the request; `{}` stands for its place in the view.

    Raises:
        InvalidArgument: Naming some, at the first that repeats.
    """
    if len(set(ids)) == len(ids):
        return
    seen: set[str] = set()
    twice: dict[str, int] = {}
    for place, one in enumerate(ids):
        if one in seen:
            twice.setdefault(one, place)
        seen.add(one)
    raise InvalidArgument(
        field_name.format(next(iter(twice.values()))),
        f"Expected ids that are unique within view {name!r}, but {len(twice)} occur more than once: "
        f"{quoted(list(twice))}",
    )


def report(left: str, right: str, n: int, left_only: Sequence[str], right_only: Sequence[str]) -> PairReport:
    """The report of a pair from the ids that one side lacks."""
    examples = [*left_only[:_EXAMPLES], *right_only[:_EXAMPLES]]
    return PairReport(left, right, n, len(left_only), len(right_only), tuple(examples))


def check_strict(found: PairReport, left_only: Sequence[str], right_only: Sequence[str]) -> None:
    """Refuses views that do not hold the same ids.

    Raises:
        InvalidArgument: Naming what which side lacks.
    """
    parts = [
        f"{name!r} lacks {len(lacking)} of them: {quoted(lacking)}"
        for name, lacking in ((found.right, left_only), (found.left, right_only))
        if lacking
    ]
    if parts:
        raise InvalidArgument(
            "spec.alignment",
            f"Expected views {found.left!r} and {found.right!r} to hold the same ids under the alignment STRICT, "
            f"but {' and '.join(parts)}",
        )


def align(
    names: Sequence[str], ids: Sequence[Sequence[str]], pairs: Sequence[tuple[int, int]], alignment: Alignment
) -> tuple[list[AlignedGroup], list[PairReport]]:
    """Sorts pairs of views into groups over the same items.

    Args:
        names: Names of the views.
        ids: Ids of the views' rows, unique within a view.
        pairs: Indices of views.
        alignment: Treatment of ids that one side lacks.

    Returns:
        The groups, and a report a pair, in the order of `pairs`.

    Raises:
        InvalidArgument: `strict` and ids differ, or a pair has no id in common.
    """
    positions = [{one: row for row, one in enumerate(view)} for view in ids]
    groups: dict[bytes, AlignedGroup] = {}
    reports = []
    for left, right in pairs:
        left_only = [one for one in ids[left] if one not in positions[right]]
        right_only = [one for one in ids[right] if one not in positions[left]]
        common = [one for one in ids[left] if one in positions[right]] if left_only else list(ids[left])
        found = report(names[left], names[right], len(common), left_only, right_only)
        if alignment == "strict":
            check_strict(found, left_only, right_only)
        if not common:
            raise InvalidArgument(
                "spec.alignment",
                f"Expected views {names[left]!r} and {names[right]!r} to have ids in common, but got none: "
                f"{names[left]!r} has {quoted(ids[left])}, {names[right]!r} has {quoted(ids[right])}",
            )
        reports.append(found)
        group = groups.setdefault(_digest(sorted(common)), AlignedGroup(tuple(common)))
        group.pairs.append((left, right))
        for view in (left, right):
            if view not in group.rows:
                group.rows[view] = _rows(group.ids, ids[view], positions[view])
    return list(groups.values()), reports


def _rows(wanted: Sequence[str], ids: Sequence[str], positions: dict[str, int]) -> NDArray[np.intp] | None:
    if len(wanted) == len(ids) and all(a == b for a, b in zip(wanted, ids, strict=True)):
        return None
    return np.fromiter((positions[one] for one in wanted), np.intp, len(wanted))


def _digest(ids: Sequence[str]) -> bytes:
    digest = hashlib.sha256()
    for one in ids:
        data = one.encode()
        digest.update(len(data).to_bytes(8, "little") + data)
    return digest.digest()


def quoted(ids: Sequence[str]) -> str:
    """Some ids to be read by people."""
    shown = ", ".join(repr(one[:80]) for one in ids[:_EXAMPLES])
    return f"{shown}, ..." if len(ids) > _EXAMPLES else shown or "none"

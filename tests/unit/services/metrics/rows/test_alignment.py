"""Rows belong together by id; what does not fit is told."""

import numpy as np
import pytest

from services.metrics.rows.alignment import align, check_unique
from services.runtime.errors import InvalidArgument

NAMES = ["en", "fr", "de"]
PAIRS = [(0, 1), (0, 2), (1, 2)]


def test_views_of_the_same_ids_share_a_group():
    ids = [["a", "b", "c"], ["c", "a", "b"], ["a", "b", "c"]]
    (group,), reports = align(NAMES, ids, PAIRS, "strict")
    assert group.pairs == PAIRS
    assert group.rows[0] is None
    assert group.rows[2] is None
    np.testing.assert_array_equal(group.rows[1], [1, 2, 0])
    assert [(report.n, report.left_only, report.right_only) for report in reports] == [(3, 0, 0)] * 3


def test_pairs_of_other_items_have_groups_of_their_own():
    ids = [["a", "b", "c"], ["b", "c", "d"], ["c", "b", "a"]]
    groups, reports = align(NAMES, ids, PAIRS, "intersect")
    assert [(group.ids, group.pairs) for group in groups] == [
        (("b", "c"), [(0, 1), (1, 2)]),
        (("a", "b", "c"), [(0, 2)]),
    ]
    for group in groups:
        for view, rows in group.rows.items():
            chosen = ids[view] if rows is None else [ids[view][row] for row in rows]
            assert tuple(chosen) == group.ids
    assert [(report.n, report.left_only, report.right_only, report.examples) for report in reports] == [
        (2, 1, 1, ("a", "d")),
        (3, 0, 0, ()),
        (2, 1, 1, ("d", "a")),
    ]


def test_strict_names_what_which_side_lacks():
    with pytest.raises(InvalidArgument) as caught:
        align(["en", "fr"], [list("abcdefgh"), ["a", "z"]], [(0, 1)], "strict")
    assert caught.value.field == "spec.alignment"
    assert "'fr' lacks 7 of them: 'b', 'c', 'd', 'e', 'f', ..." in caught.value.problem
    assert "'en' lacks 1 of them: 'z'" in caught.value.problem


def test_nothing_in_common_is_refused():
    with pytest.raises(InvalidArgument, match="to have ids in common"):
        align(["en", "fr"], [["1", "2"], ["01", "02"]], [(0, 1)], "intersect")


def test_an_id_twice_is_refused():
    check_unique("en", ["a", "b"], "ids")
    with pytest.raises(InvalidArgument, match="2 occur more than once: 'a', 'c'"):
        check_unique("en", ["a", "b", "a", "c", "c", "a"], "ids")

"""Rows find their partners whatever the order in which they come."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.metrics.estimates.estimates import Aligned, Found
from services.metrics.rows.plans import ViewPlan
from services.metrics.similarity import Options
from services.metrics.similarity.plan import ComparePlan
from services.metrics.similarity.streamed_pair import StreamedPair
from services.runtime.errors import InvalidArgument, LimitExceeded

VIEWS = (ViewPlan("x", (0, 1), encoded=False), ViewPlan("y", (0, 1), encoded=False))
RNG = np.random.default_rng(0)
X = RNG.standard_normal((90, 2, 6))
Y = X + RNG.standard_normal((90, 2, 6))
IDS = [f"id{number}" for number in range(90)]


def pairing(*, alignment="strict", held=1 << 20, budget=1 << 30):
    spilled = []

    def spill(rows):
        spilled.append(len(rows))
        return rows

    plan = ComparePlan(VIEWS, ((0, 1),), "same", alignment, (Options("cka", "debiased"), Options("cosine", "mean")))
    return StreamedPair(plan, budget=budget, spill=[spill, spill], held=held), spilled


def values(made):
    events = list(made.finish())
    found = [one.value for event in events if isinstance(event, Found) for one in event.estimates]
    return found, events[-1]


def reference():
    made, _ = pairing()
    made.add(0, IDS, X)
    made.add(1, IDS, Y)
    return values(made)[0]


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 2**32 - 1), st.sampled_from([0, 2000, 1 << 20]))
def test_any_order_gives_the_same_numbers(seed, held):
    rng = np.random.default_rng(seed)
    made, spilled = pairing(held=held)
    pieces = []
    for side, rows in ((0, X), (1, Y)):
        order = rng.permutation(90)
        for part in np.array_split(order, rng.integers(1, 12)):
            pieces.append((side, [IDS[i] for i in part], rows[part]))
    for index in rng.permutation(len(pieces)):
        made.add(*pieces[index])
    found, end = values(made)
    assert found == pytest.approx(reference(), rel=1e-9)
    assert isinstance(end, Aligned)
    assert end.pairs[0].n == 90
    assert bool(spilled) or held > 0


def test_ids_of_one_side_only():
    made, _ = pairing(alignment="intersect")
    made.add(0, IDS[:60], X[:60])
    made.add(1, IDS[20:], Y[20:])
    made.skip(1, ["more"])
    _, end = values(made)
    assert (end.pairs[0].n, end.pairs[0].left_only, end.pairs[0].right_only) == (40, 20, 31)
    strict, _ = pairing()
    strict.add(0, IDS[:60], X[:60])
    strict.add(1, IDS[:59], Y[:59])
    with pytest.raises(InvalidArgument, match="'y' lacks 1 of them: 'id59'"):
        values(strict)


@pytest.mark.parametrize("when", ["waiting", "within", "paired"])
def test_an_id_twice(when):
    made, _ = pairing()
    made.add(0, IDS[:5], X[:5])
    if when == "paired":
        made.add(1, IDS[:5], Y[:5])
    ids = ["new", "new"] if when == "within" else ["new", "id3"]
    with pytest.raises(InvalidArgument, match="unique within view 'x'"):
        made.add(0, ids, X[:2])


def test_moments_that_would_be_too_large():
    made, _ = pairing(budget=1000)
    made.add(0, IDS, X)
    with pytest.raises(LimitExceeded, match="ask for fewer layers"):
        made.add(1, IDS, Y)


def test_nothing_in_common():
    made, _ = pairing(alignment="intersect")
    made.add(0, IDS[:5], X[:5])
    made.add(1, IDS[5:], Y[5:])
    with pytest.raises(InvalidArgument, match="to have ids in common"):
        values(made)

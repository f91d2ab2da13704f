"""Numbers at the ends of what a double holds: an answer of finite numbers, or a refusal that names the field."""

import math
import warnings
from dataclasses import astuple

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from scipy import stats

from services.metrics.statistics import anova, compare_systems, correlate
from services.runtime.errors import InvalidArgument

NUMBERS = st.one_of(
    st.sampled_from([0.0, 1.0, 1e308, -1e308, 1.7976931348623157e308, 5e-324, -5e-324, 2.2e-308, 1 + 2**-52, 1e-170]),
    st.floats(allow_nan=False, allow_infinity=False),
    st.floats(0, 1),
)
SAMPLES = st.lists(NUMBERS, min_size=1, max_size=8)


def finite_or_refused(work):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        try:
            found = work()
        except InvalidArgument:
            return None
    for one in found if isinstance(found, tuple) else (found,):
        for number in astuple(one):
            assert not isinstance(number, float) or math.isfinite(number), one
    return found


@settings(max_examples=400, deadline=None)
@given(st.lists(SAMPLES, min_size=1, max_size=4))
@example([[1e308, 1e308], [1e308, -1e308]])
@example([[1e308, 1.1e308], [1.7e308, 1.6e308]])
@example([[0.0, 5e-324], [1.0, 1.0]])
@example([[5e-324, 0.0], [5e-324, 1e-323]])
@example([[0.0, 1e-200], [1.0, 1.0]])
def test_anova(groups):
    finite_or_refused(lambda: anova({str(number): group for number, group in enumerate(groups)}))


@settings(max_examples=300, deadline=None)
@given(st.lists(st.tuples(NUMBERS, NUMBERS), min_size=1, max_size=8))
@example([(1e308, 1.0), (1.7e308, 2.0), (-1.7e308, 3.0)])
@example([(5e-324, 1.0), (0.0, 2.0), (0.0, 3.0)])
def test_correlations(pairs):
    finite_or_refused(lambda: correlate(*zip(*pairs, strict=True), permutations=20))


@settings(max_examples=300, deadline=None)
@given(st.lists(st.tuples(NUMBERS, NUMBERS), min_size=1, max_size=8))
@example([(1.7e308, -1.7e308)] * 2)
@example([(1.7e308, 1.7e308), (1.7e308, 1.0)])
@example([(0.0, 0.0)] * 3)
def test_systems(pairs):
    finite_or_refused(lambda: compare_systems(*zip(*pairs, strict=True), resamples=50))


@pytest.mark.parametrize("scale", [1e-300, 1e-12, 1.0, 1e12, 1e307])
def test_the_scale_of_the_numbers_changes_nothing(scale):
    groups = [[1.0, 2.0, 4.0], [3.0, 5.0, 6.0], [2.0, 2.5, 7.0]]
    expected = stats.f_oneway(*groups)
    found = anova({str(number): np.array(group) * scale for number, group in enumerate(groups)})
    assert (found.f, found.p_value) == pytest.approx((expected.statistic, expected.pvalue), rel=1e-9)
    difference = compare_systems(np.array(groups[0]) * scale, np.array(groups[1]) * scale, resamples=50)
    assert difference.difference == pytest.approx(-7 / 3 * scale, rel=1e-12)


def test_variance_too_small_to_be_told_is_refused_by_name():
    with pytest.raises(InvalidArgument, match="vary too little beside the differences") as caught:
        anova({"a": [0.0, 1e-200], "b": [1.0, 1.0]})
    assert caught.value.field == "groups"

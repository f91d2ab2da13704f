"""Correlate, Anova and CompareSystems through a real server, by both clients."""

import asyncio
from collections.abc import Callable
from contextlib import closing
from typing import Any

import numpy as np
import pytest
from babelscope.errors import InvalidRequest
from babelscope.sync.metrics import MetricsClient
from scipy import stats

X, Y = [1.0, 2, 3, 5, 4, 9], [2.0, 1, 4, 3, 7, 8]


async def test_statistics_are_those_of_the_formulas(serve: Callable[..., Any]) -> None:
    client = (await serve()).client
    found = await client.correlate(X, np.array(Y))
    assert list(found) == ["pearson", "spearman", "kendall"]
    for method, reference in (
        ("pearson", stats.pearsonr), ("spearman", stats.spearmanr), ("kendall", stats.kendalltau)
    ):  # fmt: skip
        assert found[method].value == pytest.approx(reference(X, Y).statistic, rel=1e-12)
        assert found[method].low < found[method].value < found[method].high
        assert found[method].n == 6
    groups = {"a": [1.0, 2, 3], "b": [2.0, 3, 5], "c": [6.0, 7, 8, 9]}
    variance = await client.anova(groups)
    expected = stats.f_oneway(*groups.values())
    assert (variance.f, variance.p_value) == pytest.approx((expected.statistic, expected.pvalue), rel=1e-9)
    assert (variance.df_between, variance.df_within) == (2, 7)
    systems = await client.compare_systems(X, Y, resamples=500, seed=4)
    assert systems.difference == pytest.approx(np.mean(X) - np.mean(Y))
    assert "resamples:500|seed:4" in systems.signature


async def test_the_synchronous_client_says_the_same(serve: Callable[..., Any]) -> None:
    one = await serve()

    def ask() -> Any:
        with closing(MetricsClient(one.client.address)) as client:
            return (
                client.correlate(X, Y, ["spearman"], permutations=100, seed=2),
                client.anova({"a": X, "b": Y}),
                client.compare_systems(X, Y, resamples=100),
            )

    assert await asyncio.to_thread(ask) == (
        await one.client.correlate(X, Y, ["spearman"], permutations=100, seed=2),
        await one.client.anova({"a": X, "b": Y}),
        await one.client.compare_systems(X, Y, resamples=100),
    )


async def test_degenerate_input_names_its_field(serve: Callable[..., Any]) -> None:
    client = (await serve()).client
    for call, field in (
        (client.correlate([1, 1, 1], [1, 2, 3]), "x"),
        (client.correlate([1, 2, 3], [1, 2, 3], ["tau"]), "methods[0]"),
        (client.anova({"a": [1.0]}), "groups"),
        (client.compare_systems([1, 2], [1]), "second"),
    ):
        with pytest.raises(InvalidRequest) as error:
            await call
        assert error.value.field == field

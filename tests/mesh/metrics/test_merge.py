"""Shards of a corpus through real servers: their sums in the store, merged to the numbers of the whole."""

import asyncio
from collections.abc import Callable
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from babelscope.calls.measures import Measure
from babelscope.calls.views import View
from babelscope.errors import InvalidRequest, LimitExceeded, NotFound, RpcError
from babelscope.sync.metrics import MetricsClient

MEASURES = (
    "cka", "cka:biased", "svcca", "cca", "pwcca", "procrustes", "neuron_correlation", "cosine",
    Measure("rbf", sample=100, seed=4),
)  # fmt: skip


def rows(seed: int, n: int) -> dict[str, Any]:
    rng = np.random.default_rng(seed)
    x = rng.standard_normal((n, 2, 12)) + 40
    return {"en": x, "fr": x + rng.standard_normal((n, 2, 12)), "de": rng.standard_normal((n, 2, 12)) * 1e-3}


def part(arrays: dict[str, Any], chosen: slice) -> dict[str, View]:
    ids = [f"s{number}" for number in range(len(arrays["en"]))][chosen]
    return {name: View(activations=array[chosen], ids=ids) for name, array in arrays.items()}


def numbers(comparison: Any) -> dict[tuple[Any, ...], float]:
    return {
        (e.metric, e.estimator, e.left, e.right, e.left_layer, e.right_layer): e.value for e in comparison.estimates
    }


@pytest.mark.parametrize("cuts", [(0, 60, 150), (0, 700, 1100, 1500)])
@pytest.mark.parametrize("pairing", ["same", "all"])
async def test_shards_merged_equal_the_whole(serve: Callable[..., Any], cuts: tuple[int, ...], pairing: str) -> None:
    one, other = await serve(), await serve()
    arrays = rows(0, cuts[-1])
    whole = await one.client.compare(part(arrays, slice(None)), MEASURES, layer_pairing=pairing)
    assert not whole.state
    states = []
    for number, (start, stop) in enumerate(pairwise(cuts)):
        client = (one, other)[number % 2].client
        shard = await client.compare(part(arrays, slice(start, stop)), MEASURES, layer_pairing=pairing, keep_state=True)
        assert shard.state.startswith("moments/")
        states.append(shard.state)
    merged = await one.client.merge(states, MEASURES)
    assert len(merged.estimates) == len(whole.estimates)
    assert numbers(merged) == pytest.approx(numbers(whole), rel=1e-9, abs=1e-9)
    assert [(pair.left, pair.right, pair.n) for pair in merged.pairs] == [
        (pair.left, pair.right, pair.n) for pair in whole.pairs
    ]
    assert [view.rows for view in merged.views] == [cuts[-1]] * 3
    # Another order, on another server; and in two steps, the first of which only merges.
    turned = await other.client.merge(states[::-1], MEASURES)
    assert numbers(turned) == pytest.approx(numbers(merged), rel=1e-9, abs=1e-9)
    joined = await other.client.merge(states[1:], (), keep_state=True)
    assert not joined.estimates
    nested = await one.client.merge([joined.state, states[0]], MEASURES)
    assert numbers(nested) == pytest.approx(numbers(merged), rel=1e-9, abs=1e-9)


async def test_sums_too_large_to_keep_are_refused(serve: Callable[..., Any]) -> None:
    client = (await serve(work_bytes=64 << 20)).client
    rng = np.random.default_rng(2)
    views = {name: rng.standard_normal((20, 2, 1200), np.float32) for name in ("en", "fr")}
    kept = await client.compare(views, ("cka",), layer_pairing="all", keep_state=True)
    assert kept.state
    with pytest.raises(LimitExceeded, match="2 pairs of layers with d=1200 need") as caught:
        await client.compare(views, ("cka",), layer_pairing="all", keep_state=True, standardise=True)
    assert caught.value.subject == "work_bytes"


async def test_what_cannot_be_merged_is_refused(serve: Callable[..., Any]) -> None:
    one = await serve()
    arrays = rows(1, 80)
    kept = await one.client.compare(part(arrays, slice(None)), ("cka",), keep_state=True)
    fewer = {name: View(activations=array[:, :1], layers=(0,)) for name, array in arrays.items()}
    odd = await one.client.compare(fewer, ("cka",), keep_state=True)
    with pytest.raises(InvalidRequest, match="same views, layers, pairs and measures") as caught:
        await one.client.merge([kept.state, odd.state])
    assert caught.value.field == "states[1]"
    with pytest.raises(InvalidRequest, match="each state once"):
        await one.client.merge([kept.state, kept.state])
    with pytest.raises(InvalidRequest, match="at least one name"):
        await one.client.merge([])
    with pytest.raises(InvalidRequest, match="whose sums the states keep, but got cosine"):
        await one.client.merge([kept.state], ("cka", "cosine"))
    with pytest.raises(InvalidRequest, match="name of a state"):
        await one.client.merge(["maps/" + "0" * 64])
    with pytest.raises(NotFound):
        await one.client.merge(["moments/" + "0" * 64 + ".json"])
    with pytest.raises(InvalidRequest, match="Expected states that keep the squares") as caught:
        await one.client.merge([kept.state], standardise=True)
    assert caught.value.field == "preprocessing"
    with pytest.raises(InvalidRequest, match=r"follows from sums .* but got cosine") as caught:
        await one.client.compare(part(arrays, slice(None)), ("cka", "cosine"), keep_state=True, standardise=True)
    assert caught.value.field == "spec.measures[1]"
    squares = await one.client.compare(part(arrays, slice(None)), ("cka",), keep_state=True, drop_top_variance=1)
    with pytest.raises(InvalidRequest, match=r"follows from sums .* but got cosine") as caught:
        await one.client.merge([squares.state], ("cosine",), standardise=True)
    assert caught.value.field == "measures[0]"
    with pytest.raises(InvalidRequest, match="same views, layers, pairs and measures"):
        await one.client.merge([kept.state, squares.state])
    with pytest.raises(InvalidRequest, match=r"none is, with drop_top_variance=12 .*'en' at layer 0") as caught:
        await one.client.merge([squares.state], drop_top_variance=12)
    assert caught.value.field == "measures"


@pytest.mark.parametrize("cuts", [(0, 60, 150), (0, 700, 1100, 1500)])
async def test_preprocessed_shards_equal_the_preprocessed_whole(
    serve: Callable[..., Any], cuts: tuple[int, ...]
) -> None:
    one = await serve()
    arrays = rows(5, cuts[-1])
    arrays["en"][:, :, 3] *= 30
    measures = tuple(measure for measure in MEASURES if measure != "cosine")
    states = []
    for start, stop in pairwise(cuts):
        chosen = part(arrays, slice(start, stop))
        shard = await one.client.compare(chosen, measures, keep_state=True, standardise=True)
        # The numbers of a shard are those of its own rows, preprocessed by themselves.
        alone = await one.client.compare(chosen, measures, standardise=True)
        assert numbers(shard) == pytest.approx(numbers(alone), rel=1e-8, abs=1e-9)
        states.append(shard.state)
    for treatment in ({"standardise": True}, {"drop_top_variance": 1}, {"standardise": True, "drop_top_variance": 2}):
        whole = await one.client.compare(part(arrays, slice(None)), measures, **treatment)
        merged = await one.client.merge(states, measures, **treatment)
        assert numbers(merged) == pytest.approx(numbers(whole), rel=1e-8, abs=1e-9)
        assert [(e.p, e.q) for e in merged.estimates] == [(e.p, e.q) for e in whole.estimates]
    plain = await one.client.compare(part(arrays, slice(None)), measures)
    assert numbers(await one.client.merge(states, measures)) == pytest.approx(numbers(plain), rel=1e-8, abs=1e-9)


async def test_a_damaged_state_is_told(serve: Callable[..., Any], tmp_path: Any) -> None:
    one = await serve()
    kept = await one.client.compare(part(rows(2, 90), slice(None)), keep_state=True)
    for path in (tmp_path / "store" / "moments").rglob("*.safetensors"):
        data = bytearray(path.read_bytes())
        data[-1] ^= 1
        path.chmod(0o644)
        path.write_bytes(data)
    with pytest.raises(RpcError, match="match its digest"):
        await one.client.merge([kept.state])


async def test_the_synchronous_client_merges(serve: Callable[..., Any]) -> None:
    one = await serve()
    arrays = rows(3, 100)
    states = [
        (await one.client.compare(part(arrays, chosen), keep_state=True)).state
        for chosen in (slice(0, 40), slice(40, 100))
    ]

    def merge() -> Any:
        client = MetricsClient(f"127.0.0.1:{one.server.port}")
        try:
            return client.merge(states)
        finally:
            client.close()

    found = await asyncio.to_thread(merge)
    assert {estimate.n for estimate in found.estimates} == {100}

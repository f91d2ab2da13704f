"""Maps through real servers: fitted, kept in the store, applied by hand and by an encoder."""

import asyncio
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import babelscope
import numpy as np
import pytest
from babelscope.calls.views import View
from babelscope.data.activations import Progress
from babelscope.data.models import Intervention, LinearMap
from babelscope.errors import InvalidRequest

from services.metrics.maps.induction import induce
from services.metrics.maps.procrustes import Procrustes, ProcrustesOptions
from services.metrics.maps.registry import METHODS
from services.metrics.sums.accumulate import nothing
from tests.mesh.metrics.conftest import OFFLINE
from tests.support.encoder_calls import sentences
from tests.support.planted_maps import Planted, planted


@pytest.fixture(scope="module")
def case() -> Planted:
    """400 words of either language."""
    return planted(0, 400, 12, 0.1)


def views(case: Planted) -> tuple[View, View]:
    problem = case.problem
    return View(activations=problem.source, ids=problem.source_ids), View(
        activations=problem.target, ids=problem.target_ids
    )


def seeds(case: Planted, count: int) -> list[tuple[str, str]]:
    problem = case.problem
    return [(problem.source_ids[a], problem.target_ids[b]) for a, b in case.pairs(count)]


def stored(tmp_path: Path, name: str) -> babelscope.StoredMap:
    kind, _, file = name.partition("/")
    return babelscope.load_map(tmp_path / "store" / kind / file[:2] / file)


async def test_a_map_is_that_of_the_mathematics(serve: Callable[..., Any], case: Planted, tmp_path: Path) -> None:
    one = await serve()
    told: list[Progress] = []
    options = {"refinements": 2, "dictionary": 500}
    found = await one.client.fit_map(*views(case), seeds=seeds(case, 60), options=options, progress=told.append)
    assert list(found) == [0]
    problem = replace(case.problem, pairs=case.pairs(60))
    expected = Procrustes().fit(problem, ProcrustesOptions(refinements=2), check=nothing, tell=lambda *_: None)
    assert found[0].trace == expected.trace
    source, target = stored(tmp_path, found[0].source_map), stored(tmp_path, found[0].target_map)
    assert np.array_equal(source.matrix, expected.source.matrix)
    left, right = source.transform(problem.source), target.transform(problem.target)
    np.testing.assert_allclose(left, expected.source.transform(problem.source), rtol=0, atol=1e-12)
    np.testing.assert_allclose(right, expected.target.transform(problem.target), rtol=0, atol=1e-12)
    pairs = induce(left, right).dictionary(500)
    names = [(problem.source_ids[a], problem.target_ids[b]) for a, b in pairs]
    assert list(found[0].dictionary) == names
    gold = {(problem.source_ids[a], problem.target_ids[b]) for a, b in case.pairs(400)}
    assert len(gold & set(names)) >= 396
    assert {event.stage for event in told} >= {"fit"}
    assert [event.done for event in told if event.stage == "fit"][-1] <= 3
    assert (source.about["side"], target.about["side"]) == ("source", "target")
    assert source.about["signature"] == found[0].signature
    for part in ("map:procrustes", "normalisation:iterative", "refinements:2", "seed:0", "n:400|m:400|dim:12x12"):
        assert part in found[0].signature
    assert not found[0].affine
    with pytest.raises(ValueError, match="normalisation"):
        found[0].intervention()


async def test_ids_in_common_are_the_translations_where_none_are_given(
    serve: Callable[..., Any], case: Planted
) -> None:
    one = await serve()
    aligned = case.problem.target[case.gold]
    found = await one.client.fit_map(case.problem.source, aligned, options={"normalisation": "none"})
    again = await one.client.fit_map(*views(case), seeds=seeds(case, 400), options={"normalisation": "none"})
    assert "pairs:400" in found[0].signature
    assert not found[0].target_map
    assert found[0].affine
    assert found[0].trace == pytest.approx(again[0].trace, rel=1e-12)


QUICK = {
    "procrustes": ({}, 0.99),
    "vecmap": ({"supervision": "supervised"}, 0.99),
    "dema": ({"steps": 300, "learning_rate": 0.02, "batch": 64}, 0.9),
    # Too short to find anything: only that it goes through.
    "muse": ({"epochs": 2, "steps": 10, "hidden": 16, "normalisation": "unit_centre_unit"}, 0.0),
}


@pytest.mark.parametrize("method", METHODS)
async def test_every_method_answers_with_maps_that_bring_both_sides_together(
    serve: Callable[..., Any], case: Planted, tmp_path: Path, method: str
) -> None:
    one = await serve()
    options, least = QUICK[method]
    known = [] if method == "muse" else seeds(case, 60)
    found = (await one.client.fit_map(*views(case), method, seeds=known, options=options))[0]
    assert f"map:{method}|" in found.signature
    assert np.isfinite(found.trace).all()
    left = stored(tmp_path, found.source_map).transform(case.problem.source)
    right = stored(tmp_path, found.target_map).transform(case.problem.target)
    assert np.mean(induce(left, right).forward.best == case.gold) >= least
    assert len(found.dictionary) == 400


async def test_the_same_request_gives_the_same_objects(serve: Callable[..., Any], case: Planted) -> None:
    one, other = await serve(), await serve()
    options = {"steps": 20, "dictionary": 0}
    for method, chosen in (("procrustes", {}), ("dema", options)):
        first, second = [
            await client.fit_map(*views(case), method, seeds=seeds(case, 20), options=chosen, seed=4)
            for client in (one.client, other.client)
        ]
        assert first == second
    third = await one.client.fit_map(*views(case), "dema", seeds=seeds(case, 20), options=options, seed=5)
    assert third[0].source_map != first[0].source_map


async def test_every_layer_has_a_map(serve: Callable[..., Any], tmp_path: Path) -> None:
    one = await serve()
    rng = np.random.default_rng(0)
    x = rng.standard_normal((50, 3, 6)).astype(np.float32)
    turns = [np.linalg.qr(rng.standard_normal((6, 6)))[0] for _ in range(3)]
    y = np.stack([x[:, layer] @ turns[layer] for layer in range(3)], axis=1)[:, [2, 0, 1]]
    found = await one.client.fit_map(View(activations=x, layers=(3, 5, 7)), View(activations=y, layers=(7, 3, 5)))
    assert list(found) == [3, 5, 7]
    for layer, turn in zip(found, turns, strict=True):
        np.testing.assert_allclose(stored(tmp_path, found[layer].source_map).matrix, turn, rtol=0, atol=1e-5)


async def test_long_dictionaries_come_whole(serve: Callable[..., Any]) -> None:
    one = await serve()
    x = np.random.default_rng(0).standard_normal((9000, 16))
    found = await one.client.fit_map(x, x, options={"dictionary": 9000, "normalisation": "none"})
    assert len(found[0].dictionary) == 9000
    assert set(found[0].dictionary) == {(str(i), str(i)) for i in range(9000)}


async def test_a_call_given_up_frees_its_thread(serve: Callable[..., Any], case: Planted) -> None:
    one = await serve()
    started = asyncio.Event()
    work = one.client.fit_map(
        *views(case),
        "dema",
        seeds=seeds(case, 20),
        options={"steps": 1_000_000},
        progress=lambda event: started.set() if event.stage == "fit" else None,
    )
    task = asyncio.create_task(work)
    await asyncio.wait_for(started.wait(), 200)
    # Measuring has threads of its own and does not wait for a map.
    rows = np.random.default_rng(0).standard_normal((40, 4))
    assert (await one.client.compare({"x": rows, "y": rows})).estimates
    assert not task.done()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    # There is one thread for fitting: were it not free again, this would not come back.
    async with asyncio.timeout(60):
        assert await one.client.fit_map(*views(case), seeds=seeds(case, 20))


@pytest.fixture(scope="module")
def mesh(model_root: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[babelscope.Mesh, Path]]:
    """An encoder and a metrics server with one store, and the store."""
    store = tmp_path_factory.mktemp("shared")
    with babelscope.local(
        ("encoder", "metrics"), store=store, model_roots=[model_root], env=OFFLINE, threads=1
    ) as started:
        yield started, store


@pytest.mark.parametrize("normalisation", ["none", "centre"])
def test_an_encoder_applies_a_fitted_map_by_its_name(mesh: tuple[babelscope.Mesh, Path], normalisation: str) -> None:
    opened, store = mesh
    source, target = sentences(80, seed=1), sentences(80, seed=2)
    options = {"normalisation": normalisation}
    found = opened.metrics.fit_map(source, target, model="tiny", layers=(1, 2), options=options)
    assert list(found) == [1, 2]
    assert all(one.affine and one.trace and one.dictionary for one in found.values())
    assert "|model:" in found[1].signature
    _, _, file = found[2].source_map.partition("/")
    kept = babelscope.load_map(store / "maps" / file[:2] / file)
    plain = opened.encoder.encode(source, model="tiny", layers=(2,))
    edit = found[2].intervention()
    mapped = opened.encoder.encode(source, model="tiny", layers=(2,), interventions=[edit])
    # The map is applied to every token of the last layer; their mean moves by the same map.
    np.testing.assert_allclose(mapped.array[:, 0], kept.transform(plain.array[:, 0]), rtol=0, atol=2e-5)
    inline = Intervention(2, linear_map=LinearMap(kept.matrix, bias=-kept.means.sum(axis=0) @ kept.matrix))
    by_hand = opened.encoder.encode(source, model="tiny", layers=(2,), interventions=[inline])
    if normalisation == "centre":
        _, _, other = found[2].target_map.partition("/")
        into = kept.into(babelscope.load_map(store / "maps" / other[:2] / other))
        inside = opened.encoder.encode(
            source, model="tiny", layers=(2,), interventions=[Intervention(2, linear_map=into)]
        )
        there = opened.encoder.encode(target, model="tiny", layers=(2,))
        np.testing.assert_allclose(inside.array.mean(axis=0), there.array.mean(axis=0), rtol=0, atol=2e-5)
    np.testing.assert_allclose(mapped.array, by_hand.array, rtol=0, atol=1e-5)
    assert np.abs(mapped.array - plain.array).max() > 0.1


def test_the_matrix_alone_of_a_map_with_normalised_rows(mesh: tuple[babelscope.Mesh, Path]) -> None:
    opened, store = mesh
    source = sentences(60, seed=1)
    found = opened.metrics.fit_map(source, sentences(60, seed=2), model="tiny", layers=(2,))[2]
    _, _, file = found.source_map.partition("/")
    kept = babelscope.load_map(store / "maps" / file[:2] / file)
    edit = found.intervention(matrix_only=True)
    mapped = opened.encoder.encode(source, model="tiny", layers=(2,), interventions=[edit])
    plain = opened.encoder.encode(source, model="tiny", layers=(2,))
    np.testing.assert_allclose(mapped.array[:, 0], plain.array[:, 0] @ kept.matrix, rtol=0, atol=2e-5)


@pytest.mark.parametrize(
    ("method", "options", "problem"),
    [
        ("vecmap", {}, "options[supervision] semi_supervised or supervised for vecmap"),
        ("vecmap", {"supervision": "identical"}, "but got identical, which uses none"),
        ("muse", {}, "no known translations for muse"),
    ],
)
async def test_known_translations_are_used_or_refused(
    serve: Callable[..., Any], case: Planted, method: str, options: dict[str, str], problem: str
) -> None:
    one = await serve()
    with pytest.raises(InvalidRequest) as raised:
        await one.client.fit_map(*views(case), method, seeds=seeds(case, 20), options=options)
    assert problem in str(raised.value)
    assert "spec.seeds" in str(raised.value)

"""Compare and Retrieve through real servers: pushed rows, rows pulled from a real encoder, and the same numbers."""

import os
import signal
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import babelscope
import numpy as np
import pytest
from babelscope import Text
from babelscope.calls.views import View

from tests.support import metrics_references as reference
from tests.support.encoder_calls import sentences
from tests.support.restarts import await_restarts

N = 60


def corpus(seed: int, count: int = N, prefix: str = "s") -> list[Text]:
    return [Text(f"{prefix}{number}", text) for number, text in enumerate(sentences(count, seed))]


def by_key(comparison: Any) -> dict[tuple[Any, ...], float]:
    return {
        (e.metric, e.estimator, e.left, e.right, e.left_layer, e.right_layer): e.value for e in comparison.estimates
    }


async def test_pushed_rows_give_the_numbers_of_the_formulas(serve: Callable[..., Any]) -> None:
    one = await serve()
    rng = np.random.default_rng(0)
    arrays = {name: rng.standard_normal((120, 2, 16)) for name in ("en", "fr", "de")}
    arrays["fr"] += arrays["en"]
    views: dict[str, Any] = {
        "en": arrays["en"], "fr": arrays["fr"].astype(np.float32), "de": arrays["de"]
    }  # fmt: skip
    measures = ("cka", "cka:biased", "svcca", "cosine")
    found = await one.client.compare(views, measures)
    assert len(found.estimates) == 3 * 2 * 4
    assert [(pair.left, pair.right, pair.n) for pair in found.pairs] == [
        ("en", "fr", 120),
        ("en", "de", 120),
        ("fr", "de", 120),
    ]
    for estimate in found.estimates:
        x = np.asarray(views[estimate.left], float)[:, estimate.left_layer]
        y = np.asarray(views[estimate.right], float)[:, estimate.right_layer]
        expected = {
            ("cka", "debiased"): reference.debiased_cka,
            ("cka", "biased"): reference.biased_cka,
            ("svcca", "mean"): lambda x, y: reference.svcca(x, y)[0],
            ("cosine", "mean"): lambda x, y: reference.cosines(x, y).mean(),
        }[estimate.metric, estimate.estimator](x, y)
        assert estimate.value == pytest.approx(expected, rel=1e-6)
        assert estimate.low <= estimate.value <= estimate.high
        assert estimate.n == 120
        assert f"metric:{estimate.metric}|est:{estimate.estimator}|n:120|dim:16x16|pool:pushed" in estimate.signature
    assert all(view.rows == 120 and len(view.data_digest) == 64 for view in found.views)


async def test_rows_in_another_order_are_not_mispaired(serve: Callable[..., Any]) -> None:
    one = await serve()
    rng = np.random.default_rng(1)
    x, y = rng.standard_normal((80, 8)), rng.standard_normal((80, 8))
    y += x
    ids = [f"id {number}" for number in range(80)]
    order = rng.permutation(80)
    straight = await one.client.compare({"x": View(activations=x, ids=ids), "y": View(activations=y, ids=ids)})
    shuffled = await one.client.compare(
        {"x": View(activations=x, ids=ids), "y": View(activations=y[order], ids=[ids[i] for i in order])}
    )
    assert by_key(shuffled) == pytest.approx(by_key(straight), rel=1e-12)


async def test_intersect_uses_common_ids_and_counts_the_others(serve: Callable[..., Any]) -> None:
    one = await serve()
    rng = np.random.default_rng(2)
    x, y = rng.standard_normal((50, 6)), rng.standard_normal((45, 6))
    views = {
        "x": View(activations=x, ids=[str(i) for i in range(50)]),
        "y": View(activations=y, ids=[str(i) for i in range(10, 55)]),
    }
    found = await one.client.compare(views, ("cka",), alignment="intersect")
    (pair,) = found.pairs
    assert (pair.n, pair.left_only, pair.right_only) == (40, 10, 5)
    assert set(pair.examples) <= {*map(str, range(10)), *map(str, range(50, 55))}
    assert found.estimates[0].value == pytest.approx(reference.debiased_cka(x[10:], y[:40]), rel=1e-9)


async def test_pulled_rows_give_the_numbers_of_pushed_ones(serve: Callable[..., Any], encoder: str) -> None:
    one = await serve(encoder)
    texts = {"en": corpus(0), "fr": corpus(1), "de": corpus(2)[::-1]}
    with closing(babelscope.EncoderClient(encoder)) as direct:
        pushed = {name: direct.encode(rows, model="tiny") for name, rows in texts.items()}
    stages = []
    pulled = await one.client.compare(texts, ("cka", "cosine"), model="tiny", progress=stages.append)
    expected = await one.client.compare(pushed, ("cka", "cosine"))
    assert by_key(pulled) == pytest.approx(by_key(expected), rel=1e-5)
    assert {stage.stage for stage in stages} == {"encode", "measure"}
    assert len({view.model_digest for view in pulled.views}) == 1
    assert all(view.tokens > N and view.rows == N for view in pulled.views)
    retrieved = await one.client.retrieve(texts, model="tiny", pooling="mean", layers=[0, 2])
    assert {e.metric for e in retrieved.estimates} == {"p@1", "p@5", "p@10", "mrr"}
    assert len(retrieved.estimates) == 3 * 2 * 2 * 2 * 4
    ranks = reference.ranks(pushed["en"].layer(2), pushed["fr"].layer(2))
    values = by_key(retrieved)
    for similarity in ("cosine", "csls"):
        assert values["p@5", similarity, "en", "fr", 2, 2] == np.mean(ranks[similarity][0] <= 5)
        assert values["mrr", similarity, "fr", "en", 2, 2] == pytest.approx(np.mean(1 / ranks[similarity][1]))


async def test_a_view_is_encoded_once(serve: Callable[..., Any], encoder: str, monkeypatch: pytest.MonkeyPatch) -> None:
    one = await serve(encoder)
    texts = {"en": corpus(3), "fr": corpus(4)}
    first = await one.client.compare(texts, ("cka", "cosine"), model="tiny")
    entries = sorted(path.name for path in one.scratch.iterdir())
    assert len(entries) == 2

    def none(*_: object) -> Any:
        raise AssertionError("encoded again")

    monkeypatch.setattr("services.metrics.api.sources.SpecClient.blocks", none)
    again = await one.client.compare(texts, ("cka", "cosine"), model="tiny")
    assert by_key(again) == by_key(first)
    assert again.views == first.views
    monkeypatch.undo()
    rows = one.scratch / entries[0] / "rows"
    data = bytearray(rows.read_bytes())
    data[100] ^= 0x40
    rows.write_bytes(data)
    mended = await one.client.compare(texts, ("cka", "cosine"), model="tiny")
    assert by_key(mended) == pytest.approx(by_key(first), rel=1e-6)


async def test_every_layer_with_every_layer(serve: Callable[..., Any], encoder: str) -> None:
    one = await serve(encoder)
    texts = {"en": corpus(5), "fr": corpus(6)}
    found = by_key(await one.client.compare(texts, ("cka",), model="tiny", layers=[1, 2], layer_pairing="all"))
    assert sorted(key[4:] for key in found) == [(1, 1), (1, 2), (2, 1), (2, 2)]
    same = by_key(await one.client.compare(texts, ("cka",), model="tiny", layers=[1, 2]))
    assert {key: found[key] for key in same} == pytest.approx(same, rel=1e-9)


async def test_preprocessing_is_that_of_the_formulas(serve: Callable[..., Any]) -> None:
    one = await serve()
    rng = np.random.default_rng(9)
    x, y = rng.standard_normal((70, 9)) * np.arange(1, 10), rng.standard_normal((70, 9))
    y[:, 4] += 30 * rng.standard_normal(70)
    found = await one.client.compare({"x": x, "y": y}, ("cka",), standardise=True, drop_top_variance=1)
    dropped = [np.delete(rows, np.argmax(rows.var(axis=0)), axis=1) for rows in (x, y)]
    z = [rows / rows.std(axis=0) for rows in dropped]
    (estimate,) = found.estimates
    assert estimate.value == pytest.approx(reference.debiased_cka(*z), rel=1e-9)
    assert (estimate.p, estimate.q) == (8, 8)
    assert "std:yes|drop:1" in estimate.signature


async def test_a_killed_encoder_changes_no_number(serve: Callable[..., Any], model_root: Path) -> None:
    texts = {"en": corpus(7, 1500), "fr": corpus(8, 1500)}
    options = {"model_roots": [model_root], "env": {"BABELSCOPE_HUB": "false"}, "threads": 1}
    with babelscope.local(("encoder",), **options) as mesh:
        one = await serve(mesh.encoder.address, encoder_first_patience=30)
        killed = []

        def kill(progress: Any) -> None:
            if progress.stage == "encode" and 0 < progress.done < 1500 and not killed:
                pid = mesh.pids["encoder"]
                assert pid is not None
                killed.append(pid)
                os.kill(pid, signal.SIGKILL)

        found = await one.client.compare(texts, ("cka", "svcca"), model="tiny", progress=kill)
        assert killed
        for entry in one.scratch.iterdir():
            for path in entry.iterdir():
                path.unlink()
            entry.rmdir()
        calm = await one.client.compare(texts, ("cka", "svcca"), model="tiny")
    await_restarts(mesh, "encoder", 1)
    assert by_key(found) == pytest.approx(by_key(calm), rel=1e-5)


async def test_a_pair_is_measured_while_its_rows_come(serve: Callable[..., Any]) -> None:
    """Rows that wait for their partner in memory or on disk, in any order: the numbers of tables in memory."""
    one = await serve()
    rng = np.random.default_rng(3)
    n = 3000
    x = rng.standard_normal((n, 2, 24))
    y = (x + rng.standard_normal((n, 2, 24))).astype(np.float32)
    ids = [f"id {number}" for number in range(n)]
    order = rng.permutation(n)
    views = {
        "x": View(activations=x, ids=ids),
        "y": View(activations=y[order], ids=[ids[i] for i in order]),
    }
    found = await one.client.compare(views, ("cka", "cka:biased", "svcca", "cosine"))
    three = await one.client.compare({**views, "z": x[:4]}, ("cka", "cka:biased", "svcca", "cosine"), [("x", "y")])
    assert by_key(found) == pytest.approx(by_key(three), rel=1e-8)
    assert found.pairs == three.pairs
    assert found.views == three.views[:2]


@pytest.mark.parametrize("alignment", ["strict", "intersect"])
async def test_what_scratch_cannot_hold_is_measured_as_it_is_encoded(
    serve: Callable[..., Any], encoder: str, alignment: str
) -> None:
    roomy, narrow = await serve(encoder), await serve(encoder, scratch_bytes=1 << 20)
    texts = {"en": corpus(0, 1500), "fr": corpus(1, 1500)[::-1]}
    if alignment == "intersect":
        texts["fr"] = texts["fr"][:1200] + corpus(5, 7, "other ")
    options = {"model": "tiny", "alignment": alignment}
    expected = await roomy.client.compare(texts, ("cka", "svcca", "cosine"), **options)
    found = await narrow.client.compare(texts, ("cka", "svcca", "cosine"), **options)
    assert by_key(found) == pytest.approx(by_key(expected), rel=1e-5)
    assert found.pairs[0].n == expected.pairs[0].n
    assert (found.pairs[0].left_only, found.pairs[0].right_only) == (
        expected.pairs[0].left_only,
        expected.pairs[0].right_only,
    )
    assert [view.data_digest for view in found.views] == [view.data_digest for view in expected.views]
    assert not list(narrow.scratch.iterdir())

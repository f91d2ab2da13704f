"""Project through a real server: pushed rows, rows pulled from a real encoder, pieces of bounded size, refusals."""

import asyncio
import sys
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import babelscope
import numpy as np
import pytest
from babelscope import Text
from babelscope.calls.projection import ProjectionWork
from babelscope.calls.views import View
from babelscope.data.tensors import CHUNK_BYTES
from babelscope.errors import InvalidRequest, LimitExceeded, Refused
from babelscope.sync.metrics import MetricsClient
from babelscope.v1 import metrics_pb2, metrics_pb2_grpc

from tests.support.encoder_calls import sentences
from tests.support.projections import by_svd
from tests.support.refusals import refusal
from tests.support.whole import WHOLE


def texts(seed: int, count: int, prefix: str = "s") -> list[Text]:
    return [Text(f"{prefix}{number}", text) for number, text in enumerate(sentences(count, seed))]


async def test_pushed_rows_of_views_without_common_ids(serve: Callable[..., Any]) -> None:
    one = await serve()
    rng = np.random.default_rng(0)
    en, fr = rng.standard_normal((70, 2, 9)) + 1e3, rng.standard_normal((50, 2, 9)) * 3 + 1e3
    told: list[Any] = []
    views = {"en": View(activations=en, language="en"), "fr": View(activations=fr, ids=[f"f{i}" for i in range(50)])}
    found = await one.client.project(views, 3, progress=told.append)
    assert (found.layers, found.components) == ((0, 1), 3)
    for layer in (0, 1):
        expected, shares = by_svd([en[:, layer], fr[:, layer]], 3)
        np.testing.assert_allclose(found.coordinates["en", layer], expected[0], atol=1e-9)
        np.testing.assert_allclose(found.coordinates["fr", layer], expected[1], atol=1e-9)
        assert found.explained_variance[layer] == pytest.approx(tuple(shares), rel=1e-9)
        assert found.signatures[layer].startswith(
            "proj:pca|components:3|n:120|dim:9|views:2|pool:pushed|centre:all-rows"
        )
        assert found.warnings[layer] == ()
    assert found.ids == {"en": tuple(map(str, range(70))), "fr": tuple(f"f{i}" for i in range(50))}
    assert [(view.name, view.rows, len(view.data_digest)) for view in found.views] == [("en", 70, 64), ("fr", 50, 64)]
    assert [(each.stage, each.done, each.total, each.detail) for each in told if each.stage == "project"][-1][1] == 2
    rows = list(found.table())
    assert len(rows) == 2 * 120
    assert list(rows[0]) == ["view", "language", "model", "layer", "id", "x1", "x2", "x3"]
    assert (rows[0]["view"], rows[0]["language"], rows[0]["layer"], rows[0]["id"]) == ("en", "en", 0, "0")
    assert rows[0]["x2"] == found.coordinates["en", 0][0, 1]
    with closing(MetricsClient(one.client.address)) as client:
        same = await asyncio.to_thread(client.project, views, 3)
    assert all((same.coordinates[key] == array).all() for key, array in found.coordinates.items())
    assert same.signatures == found.signatures


async def test_pulled_rows_are_those_of_the_encoder(serve: Callable[..., Any], encoder: str) -> None:
    one = await serve(encoder)
    en, fr = texts(1, 40), texts(2, 25, "t")
    found = await one.client.project({"en": en, "fr": fr}, model="tiny", layers=[1, 2], pooling="cls")
    with closing(babelscope.EncoderClient(encoder)) as client:
        rows = {
            name: client.encode(side, model="tiny", layers=[1, 2], pooling="cls").array
            for name, side in (("en", en), ("fr", fr))
        }
    for position, layer in enumerate((1, 2)):
        expected, shares = by_svd([rows["en"][:, position], rows["fr"][:, position]], 2)
        for name, each in zip(("en", "fr"), expected, strict=True):
            assert found.coordinates[name, layer].dtype == np.float32
            np.testing.assert_allclose(found.coordinates[name, layer], each, atol=1e-6 * np.abs(each).max())
        assert found.explained_variance[layer] == pytest.approx(tuple(shares), rel=1e-6)
        assert "pool:cls|dtype:f32" in found.signatures[layer]
    assert all(len(view.model_digest) == 64 and view.tokens > 0 for view in found.views)
    assert next(found.table())["model"] == "tiny"
    assert one.left_behind() == []


async def test_messages_are_bounded_and_rows_keep_their_order(serve: Callable[..., Any]) -> None:
    one = await serve()
    rng = np.random.default_rng(3)
    ids = [f"{number}-" + "x" * (2000 if number % 7 == 0 else 3) for number in range(6000)]
    rows = rng.standard_normal((6000, 1, 80)).astype(np.float32)
    work = ProjectionWork({"en": View(activations=rows, ids=ids)}, {}, components=70, method="", seed=0)
    answers = [answer async for answer in one.stub.Project(work.requests())]
    parts = [answer.projection for answer in answers if answer.WhichOneof("message") == "projection"]
    assert answers[-1].WhichOneof("message") == "report"
    assert len(parts) > 2
    assert all(part.ByteSize() < CHUNK_BYTES + 4096 for part in parts)
    assert [name for part in parts for name in part.ids] == ids
    fold = work.fold()
    for answer in answers:
        fold.receive(answer)
    expected, _ = by_svd([rows[:, 0]], 70)
    np.testing.assert_allclose(fold.finish().coordinates["en", 0], expected[0], atol=1e-4)


@pytest.fixture
def umap_package(monkeypatch: pytest.MonkeyPatch) -> None:
    """The package, interpreted: to compile itself takes longer than to place a few rows. The soak has it compiled."""
    if "umap" not in sys.modules and not WHOLE:
        monkeypatch.setenv("NUMBA_DISABLE_JIT", "1")
    pytest.importorskip("umap", reason="the extra babelscope[umap]")


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:Tensorflow not installed:ImportWarning")
async def test_umap_is_seeded_and_keeps_neighbours_together(serve: Callable[..., Any], umap_package: None) -> None:
    one = await serve()
    rng = np.random.default_rng(4)
    centres = np.repeat(rng.standard_normal((2, 12)) * 40, 20, axis=0) + 1e3
    rows = centres + rng.standard_normal((40, 12))
    views = {"en": rows[:25], "fr": View(activations=rows[25:], ids=[f"f{i}" for i in range(15)])}
    found = await one.client.project(views, method="umap", seed=7)
    placed = np.concatenate([found.coordinates["en", 0], found.coordinates["fr", 0]])
    inner = max(np.ptp(placed[:20], axis=0).max(), np.ptp(placed[20:], axis=0).max())
    assert np.linalg.norm(placed[:20].mean(axis=0) - placed[20:].mean(axis=0)) > inner
    assert found.explained_variance == {0: ()}
    assert (
        "proj:umap|components:2|n:40|dim:12|views:2|pool:pushed|neighbours:15|min_dist:0.1|dist:euclidean|seed:7"
        in (found.signatures[0])
    )
    again = await one.client.project(views, method="umap", seed=7)
    assert all((again.coordinates[key] == array).all() for key, array in found.coordinates.items())
    other = await one.client.project(views, method="umap", seed=8)
    assert any((other.coordinates[key] != array).any() for key, array in found.coordinates.items())


async def test_without_its_package_umap_names_the_extra(
    serve: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "umap", None)
    one = await serve()
    with pytest.raises(Refused, match=r"install the extra `babelscope\[umap\]`"):
        await one.client.project({"en": np.eye(8)}, method="umap")


@pytest.mark.parametrize(
    ("views", "components", "method", "field", "words"),
    [
        ({}, 2, "pca", "spec.views", "at least 1 view, but got 0"),
        ({"en": np.eye(4)}, -1, "pca", "spec.components", "at least 1 component, but got -1"),
        ({"en": np.eye(4)}, 4, "pca", "spec.components", "min(n - 1, d) = 3 components for n = 4, d = 4, but got 4"),
        ({"en": np.eye(4)}, 2, "tsne", "spec.method", "a method of pca, umap, but got 'tsne'"),
        ({"en": np.ones((4, 3))}, 2, "pca", "spec.views", "all n = 4 are equal; pca of views 'en' at layer 0, n = 4"),
        ({"en": np.ones((9, 3))}, 2, "umap", "spec.views", "all n = 9 are equal; umap of views 'en' at layer 0, n = 9"),
        ({"en": np.eye(3)}, 2, "umap", "spec.views", "at least 4 rows for 2 components of umap; umap of views 'en'"),
        ({"en": np.eye(4), "fr": np.eye(5)}, 2, "pca", "spec.views[1]", "d = 4 as in view 'en' in view 'fr'"),
        ({"en": np.eye(4), "fr": np.ones((4, 2, 4))}, 2, "pca", "spec.views[1].layers", "0, in view 'fr' as well"),
        ({"en": np.array([[1.0, np.nan], [1, 2], [3, 4]])}, 1, "pca", "activations.tensor", "id '0', layer 0"),
    ],
)
async def test_refusals_name_their_field(
    serve: Callable[..., Any], *, views: Any, components: int, method: str, field: str, words: str
) -> None:
    one = await serve()
    with pytest.raises(InvalidRequest) as error:
        await one.client.project(views, components, method=method)
    assert error.value.field == field
    assert words in error.value.problem
    assert one.left_behind() == []


async def test_limits_and_order_of_messages(serve: Callable[..., Any]) -> None:
    one = await serve(work_bytes=64 << 20)
    wide = np.random.default_rng(5).standard_normal((3000, 3000)).astype(np.float32)
    with pytest.raises(LimitExceeded, match=r"at layer 0 for n = 3000, d = 3000"):
        await one.client.project({"en": wide})
    address, stub = one.client.address, metrics_pb2_grpc.MetricsServiceStub
    assert "the stream ended without any" in (await refusal(address, stub, "Project")).message
    empty = await refusal(address, stub, "Project", metrics_pb2.ProjectRequest())
    assert empty.fields.keys() == {"spec"}


async def test_a_client_that_goes_leaves_nothing_behind(serve: Callable[..., Any], tmp_path: Path) -> None:
    one = await serve()
    rows = np.random.default_rng(6).standard_normal((4000, 3, 300))
    call = asyncio.create_task(one.client.project({"en": rows}))
    while not one.left_behind():  # noqa: ASYNC110 - a folder cannot be awaited
        await asyncio.sleep(0.005)
    call.cancel()
    with pytest.raises(asyncio.CancelledError):
        await call
    await one.idle()
    assert one.left_behind() == []

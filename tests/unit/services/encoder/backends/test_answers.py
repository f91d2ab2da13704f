"""Rows that come back together, as from an accelerator, are those that come back layer by layer, bit for bit."""

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest
import torch

from services.encoder.backends.answers import RETURNED_BYTES, Answer, Chunk
from services.encoder.backends.base import NotFinite
from services.encoder.backends.torch import TorchBackend
from services.encoder.backends.transformers import TransformersBackend
from services.encoder.backends.workers import Workers
from services.models.catalogue import ModelFiles, load_model
from services.models.general_model import load_general
from services.models.spec import Edit, EncodePlan, ModelSpec, Pooling, TokenizedText
from tests.support.general_models import build_general
from tests.support.tiny_models import build_model, mixed_texts
from tests.unit.services.encoder.conftest import make_text

Backends = tuple[TorchBackend | TransformersBackend, TorchBackend | TransformersBackend, list[TokenizedText], int]


@pytest.fixture(scope="module", params=["bert", "modernbert", "mpnet"])
def backends(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Backends]:
    """One model by rows that go straight to the answer, and by rows that wait for the last layer."""
    family, folder = request.param, tmp_path_factory.mktemp("model") / "m"
    general = family == "mpnet"
    (build_general if general else build_model)(family, folder)
    files, spec = ModelFiles(aliases={"m": folder}), ModelSpec("m")
    pair: list[TorchBackend | TransformersBackend] = []
    for deferred in (False, True):
        if general:
            modules = load_general(files, files.find("m"), spec, "cpu")
            tokenizer, layers = modules.tokenizer, modules.info.layers
            pair.append(TransformersBackend(modules.encoder, threads=2, batch_tokens=64, deferred=deferred))
        else:
            model = load_model(files, spec)
            tokenizer, layers = model.tokenizer, model.info.layers
            backend = TorchBackend(
                model.encoder, model.positions, device="cpu", threads=2, chunk_rows=64, deferred=deferred
            )
            pair.append(backend)
    with closing(pair[0]), closing(pair[1]):
        yield pair[0], pair[1], tokenizer.tokenize(mixed_texts(23, seed=1, longest=40), 128), layers


@pytest.mark.parametrize("pooling", [Pooling.MEAN, Pooling.CLS, Pooling.TOKEN])
@pytest.mark.parametrize("count", [1, 23])
def test_the_same_bits(backends: Backends, pooling: Pooling, count: int) -> None:
    direct, deferred, texts, layers = backends
    plan = EncodePlan((layers, 0, layers, 1), pooling, (Edit(1, np.full(48, 0.5, np.float32), 2.0),))
    for one, other in zip(direct.run(texts[:count], plan), deferred.run(texts[:count], plan), strict=True):
        assert one.tobytes() == other.tobytes()


def test_the_first_layer_that_is_not_finite_is_named(backends: Backends) -> None:
    direct, deferred, texts, layers = backends
    plan = EncodePlan(tuple(range(layers + 1)), edits=(Edit(1, np.full(48, np.inf, np.float32), 1.0),))
    for backend in (direct, deferred):
        with pytest.raises(NotFinite, match="layer 1 "):
            backend.run(texts, plan)


def test_a_chunk_is_asked_for_before_the_one_before_it_is_waited_for() -> None:
    happened: list[str] = []

    class Told:
        """A chunk that tells what is done with it."""

        def __init__(self, name: str) -> None:
            self.name = name

        def put(self, layer: int, rows_ND: torch.Tensor) -> None:
            """Not asked for."""

        def send(self) -> None:
            """Not asked for."""

        def finish(self) -> None:
            """Tells."""
            happened.append(f"finish {self.name}")

    def compute(members: np.ndarray) -> Chunk:
        happened.append(f"compute {members[0]}")
        return Told(str(members[0]))

    texts = [make_text(3) for _ in range(3)]
    with closing(Workers(1)) as workers:
        answer = Answer(texts, EncodePlan((0,)), 4, "cpu", deferred=True)
        answer.fill(compute, [np.array([place]) for place in range(3)], workers)
    assert happened == ["compute 0", "compute 1", "finish 0", "compute 2", "finish 1", "finish 2"]


@pytest.mark.parametrize(
    ("pooling", "deferred", "tokens"),
    [
        (Pooling.TOKEN, True, RETURNED_BYTES // (3 * 1024 * 4)),
        (Pooling.TOKEN, False, 1 << 15),
        (Pooling.MEAN, True, 1 << 15),
    ],
)
def test_what_comes_back_together_is_bounded(pooling: Pooling, deferred: bool, tokens: int) -> None:
    answer = Answer([make_text(20)] * 4, EncodePlan((0, 1, 2), pooling), 1024, "cpu", deferred=deferred)
    assert answer.at_once(1 << 15) == tokens


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
@pytest.mark.parametrize("pooling", [Pooling.MEAN, Pooling.TOKEN])
def test_rows_come_back_from_a_gpu(tmp_path: Path, pooling: Pooling) -> None:
    folder = build_model("bert", tmp_path / "m")
    files, spec = ModelFiles(aliases={"m": folder}), ModelSpec("m")
    found = []
    for device in ("cpu", "cuda:0"):
        model = load_model(files, spec, device=device)
        texts = model.tokenizer.tokenize(mixed_texts(23, seed=1, longest=40), 128)
        backend = TorchBackend(model.encoder, model.positions, device=device, threads=2, chunk_rows=64)
        with closing(backend):
            found.append(np.concatenate(backend.run(texts, EncodePlan((0, 1, 2), pooling))))
    np.testing.assert_allclose(found[0], found[1], atol=2e-4)

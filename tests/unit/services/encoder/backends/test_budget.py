"""A device with too little memory for a chunk gets smaller ones, once, and the log says so."""

import logging
from collections.abc import Iterator
from contextlib import closing, contextmanager

import numpy as np
import pytest
import torch

from services.encoder.backends.budget import SMALLEST_SHARE, Budget
from services.encoder.backends.torch import TorchBackend
from services.models.catalogue import LoadedModel, ModelFiles, load_model
from services.models.layers.blocks import PostNormBlock
from services.models.spec import EncodePlan, ModelSpec, Pooling, PredictPlan
from tests.support.tiny_models import build_model, mixed_texts


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> LoadedModel:
    folder = build_model("bert", tmp_path_factory.mktemp("tiny") / "m", head=True)
    return load_model(ModelFiles(aliases={"m": folder}), ModelSpec("m"))


@contextmanager
def _backend(model: LoadedModel, rows: int) -> Iterator[TorchBackend]:
    with closing(TorchBackend(model.encoder, model.positions, device="cpu", threads=1, chunk_rows=rows)) as backend:
        yield backend


def _with_room_for(rows: int, monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Blocks that fail as CUDA's allocator does for more rows; the rows of each call are noted."""
    seen: list[int] = []
    compute = PostNormBlock.__call__

    def limited(self: PostNormBlock, hidden_TD: torch.Tensor, *rest: object) -> torch.Tensor:
        seen.append(len(hidden_TD))
        if len(hidden_TD) > rows:
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB.")
        return compute(self, hidden_TD, *rest)  # type: ignore[arg-type]

    monkeypatch.setattr(PostNormBlock, "__call__", limited)
    return seen


def test_a_batch_that_does_not_fit_is_computed_with_half_the_rows(
    model: LoadedModel, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    texts = model.tokenizer.tokenize(mixed_texts(40, seed=1, longest=30), 128)
    plan = EncodePlan((0, 2, 4), Pooling.TOKEN)
    with _backend(model, 256) as roomy:
        expected = roomy.run(texts, plan)
    seen = _with_room_for(200, monkeypatch)
    with _backend(model, 256) as backend, caplog.at_level(logging.WARNING):
        for one, other in zip(backend.run(texts, plan), expected, strict=True):
            np.testing.assert_allclose(one, other, atol=1e-5)
        assert max(seen) > 200
        (said,) = [record for record in caplog.records if "too little memory" in record.message]
        assert (said.__dict__["rows_before"], said.__dict__["rows"]) == (256, 128)
        seen.clear()
        backend.run(texts, plan)
        assert max(seen) <= 200, "batches that follow begin with what fits"
    assert len([record for record in caplog.records if "too little memory" in record.message]) == 1


def test_predictions_get_smaller_chunks_too(model: LoadedModel, monkeypatch: pytest.MonkeyPatch) -> None:
    texts = model.tokenizer.tokenize(mixed_texts(40, seed=1, longest=30), 128)
    plan = PredictPlan(((),), (4,))
    with _backend(model, 256) as roomy:
        expected = roomy.predict(texts, plan)
    _with_room_for(200, monkeypatch)
    with _backend(model, 256) as backend:
        for one, other in zip(backend.predict(texts, plan), expected, strict=True):
            assert one.token_ids.tolist() == other.token_ids.tolist()


def test_what_does_not_fit_twice_is_an_error(
    model: LoadedModel, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    texts = model.tokenizer.tokenize(mixed_texts(40, seed=1, longest=30), 128)
    _with_room_for(16, monkeypatch)
    with _backend(model, 256) as backend, pytest.raises(torch.OutOfMemoryError):
        backend.run(texts, EncodePlan((4,)))
    assert len([record for record in caplog.records if "too little memory" in record.message]) == 1


def test_the_memory_of_the_first_attempt_is_free_before_the_second() -> None:
    budget, alive = Budget(256, "cpu"), []

    class Kept:
        """Something large."""

        def __del__(self) -> None:
            alive.remove(self.number)

        def __init__(self) -> None:
            self.number = len(alive)
            alive.append(self.number)

    def attempt(rows: int) -> int:
        assert not alive
        kept = Kept()
        if rows > 128:
            raise MemoryError(kept.number)
        return rows

    assert budget.run(attempt) == 128


def test_other_errors_are_not_tried_again() -> None:
    budget, tried = Budget(256, "cpu"), []

    def attempt(rows: int) -> None:
        tried.append(rows)
        raise ValueError("no")

    with pytest.raises(ValueError, match="no"):
        budget.run(attempt)
    assert (tried, budget.rows) == ([256], 256)


def test_a_budget_is_not_halved_for_ever() -> None:
    budget, tried = Budget(1024, "cpu"), []

    def attempt(rows: int) -> None:
        tried.append(rows)
        raise MemoryError

    for _ in range(8):
        with pytest.raises(MemoryError):
            budget.run(attempt)
    assert min(tried) == budget.rows == 1024 // SMALLEST_SHARE
    assert tried[-2:] == [budget.rows] * 2, "a batch is tried once where the budget cannot be halved"

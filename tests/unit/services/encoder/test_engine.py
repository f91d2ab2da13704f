"""The engine's own promises: checks, order, degenerate input; its numbers are held by the parity tests."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from services.encoder.engine import Engine
from services.encoder.loading import load_engine
from services.models.catalogue import ModelFiles
from services.models.spec import Edit, EncodePlan, ModelSpec, Pooling
from services.runtime.errors import FailedPrecondition, InvalidArgument
from tests.support.encoder_pairs import PLAIN
from tests.support.general_models import build_general
from tests.support.lines import LINES
from tests.support.tiny_models import build_model, mixed_texts

ALL = (0, 1, 2, 3, 4)


@pytest.fixture(scope="module")
def engine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Engine]:
    folder = build_model("bert", tmp_path_factory.mktemp("tiny"))
    loaded = load_engine(ModelFiles(aliases={"tiny": folder}), ModelSpec("tiny"), threads=2)
    yield loaded
    loaded.close()


@pytest.mark.parametrize(
    ("plan", "field", "problem"),
    [
        (EncodePlan(()), "spec.layers", "at least one layer"),
        (EncodePlan((0, 5)), "spec.layers[1]", r"Expected `layers` within 0\.\.4 for model tiny, but got 5"),
        (EncodePlan((-1,)), "spec.layers[0]", "but got -1"),
        (
            EncodePlan((0,), edits=(Edit(0, np.zeros(48, np.float32), 1.0), Edit(9, np.zeros(48, np.float32), 1.0))),
            "spec.interventions[1].layer",
            "but got 9",
        ),
        (
            EncodePlan((0,), edits=(Edit(0, np.zeros(7, np.float32), 1.0),)),
            "spec.interventions[0].shift.vector",
            r"\[48\] for model tiny, but got \[7\]",
        ),
    ],
)
def test_plans_that_do_not_fit(engine: Engine, plan: EncodePlan, field: str, problem: str) -> None:
    for call in (lambda: engine.validate(plan), lambda: engine.encode(engine.tokenize(["a"]), plan)):
        with pytest.raises(InvalidArgument, match=problem) as caught:
            call()
        assert caught.value.field == field


@pytest.mark.parametrize("limit", [0, 2, 257, -1])
def test_limits_of_tokens(engine: Engine, limit: int) -> None:
    with pytest.raises(InvalidArgument, match=rf"within 3\.\.256 for model tiny, but got {limit}"):
        engine.tokenize(["a"], max_tokens=limit)
    assert len(engine.tokenize([LINES[0]], max_tokens=3)[0]) == 3


def test_tokens_that_do_not_fit(engine: Engine) -> None:
    [text] = engine.tokenize(["the river"])
    for ids, problem in (
        (np.array([2, 400, 3]), r"within 0\.\.399 for model tiny, but got 400"),
        (np.array([-1, 2, 3]), "within 0"),
        (np.arange(0), r"1\.\.256 tokens"),
        (np.ones(257, dtype=np.int64), "but got 257"),
    ):
        with pytest.raises(InvalidArgument, match=problem) as caught:
            engine.encode([text, replace(text, ids=ids)], EncodePlan((0,)))
        assert caught.value.field == "texts[1]"


def test_shapes_order_and_one_block(engine: Engine) -> None:
    batch = engine.tokenize(mixed_texts(30))
    for pooling in PLAIN:
        rows = engine.encode(batch, EncodePlan((4, 0), pooling))
        expected = [len(text) if pooling is Pooling.TOKEN else 1 for text in batch]
        assert [row.shape for row in rows] == [(count, 2, 48) for count in expected]
        assert len({id(row.base) for row in rows}) == 1
        joined = np.concatenate(rows)
        assert np.shares_memory(rows[0], rows[-1].base)
        assert joined.shape[0] == sum(expected)
    assert engine.encode([], EncodePlan((0,))) == []


def test_texts_without_tokens_of_their_own_have_mean_zero(engine: Engine) -> None:
    batch = engine.tokenize(["", "the river", ""])
    first, second, third = engine.encode(batch, EncodePlan(ALL))
    assert not first.any()
    assert not third.any()
    assert second.any()
    [alone] = engine.encode(batch[:1], EncodePlan(ALL))
    assert not alone.any()
    [cls] = engine.encode(batch[:1], EncodePlan(ALL, Pooling.CLS))
    assert np.isfinite(cls).all()


def test_edits_that_leave_the_finite_numbers(engine: Engine) -> None:
    huge = Edit(2, np.full(48, 3e38, np.float32), 1.0, vector_positions="all")
    with pytest.raises(InvalidArgument, match="at layer 2 they are not") as caught:
        engine.encode(engine.tokenize(["the river"]), EncodePlan(ALL, edits=(huge, huge)))
    assert caught.value.field == "spec.interventions"


def test_a_model_that_leaves_the_finite_numbers(tmp_path_factory: pytest.TempPathFactory) -> None:
    folder = build_model("bert", tmp_path_factory.mktemp("broken"))
    loaded = load_engine(ModelFiles(aliases={"broken": folder}), ModelSpec("broken"), threads=1)
    loaded._backend._encoder.embeddings.word.fill_(torch.nan)
    with pytest.raises(FailedPrecondition, match="its hidden states at layer 0 are not finite"):
        loaded.encode(loaded.tokenize(["the river"]), EncodePlan(ALL))
    loaded.close()


def test_callers_on_several_threads_get_what_one_gets(engine: Engine) -> None:
    texts = [mixed_texts(8, seed=seed) for seed in range(12)]
    plan = EncodePlan(ALL)
    alone = [np.concatenate(engine.encode(engine.tokenize(some), plan)) for some in texts]
    with ThreadPoolExecutor(4) as pool:
        together = list(pool.map(lambda some: np.concatenate(engine.encode(engine.tokenize(some), plan)), texts))
    for one, other in zip(alone, together, strict=True):
        np.testing.assert_array_equal(one, other)


def test_no_gradients_and_no_training(engine: Engine) -> None:
    with torch.enable_grad():
        [row] = engine.encode(engine.tokenize(["the river"]), EncodePlan((4,)))
    assert isinstance(row, np.ndarray)
    assert row.flags.writeable


def test_pieces(engine: Engine) -> None:
    [text] = engine.tokenize(["the river"])
    assert engine.pieces(text.ids)[:2] == ["[CLS]", "the"]


def test_a_model_that_must_be_told_a_language_runs_once_before_it_serves_on_a_gpu(tmp_path: Path) -> None:
    build_general("xmod", tmp_path / "m", num_hidden_layers=2)
    with closing(load_engine(ModelFiles(aliases={"m": tmp_path / "m"}), ModelSpec("m"), threads=1)) as engine:
        engine.warm_up()

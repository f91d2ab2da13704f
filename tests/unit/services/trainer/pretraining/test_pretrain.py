"""Pretraining from end to end: losses, sizes, and resumption."""

import math
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from babelscope.data.jobs.architecture import Architecture
from safetensors.torch import load_file

from services.models.catalogue import ModelFiles, load_model
from services.models.spec import ModelSpec
from services.trainer.pretraining.perplexity import perplexity_figure
from services.trainer.pretraining.plan import Masking, PretrainPlan
from services.trainer.pretraining.pretrain import pretrain
from services.trainer.training.events import Event, Progressed, Stopped
from services.trainer.training.plan import LanguageSet, Trained
from tests.support.pretraining import DATASETS, ENTRIES, WORDS, lines, plan, read

GOLDEN = {
    "bert": [4.09437, 3.83938, 3.92876, 3.84147, 3.87518, 3.88828],
    "modernbert": [3.91354, 3.81696, 3.77592, 3.72957, 3.79548, 3.73021],
    "roberta": [4.10741, 3.90119, 3.90342, 3.87412, 3.76867, 3.80656],
}
"""Losses of the first steps; where a change of them is meant, they are taken anew from the test's own message."""


def _losses(events: Sequence[Event]) -> list[float]:
    return [event.loss for event in events if isinstance(event, Progressed)]


def _run(chosen: PretrainPlan, folder: Path, **settings: object) -> tuple[Trained, list[float]]:
    events: list[Event] = []
    how = {"files": ModelFiles(), "examples": read, "workdir": folder / "run", "cache": folder} | settings
    trained = pretrain(chosen, report=events.append, **how)  # type: ignore[arg-type]
    return trained, _losses(events)


@pytest.mark.parametrize("family", GOLDEN)
def test_the_losses_are_those_of_before(family: str, tmp_path: Path) -> None:
    _, losses = _run(plan(family, max_steps=6, dropout=0.0), tmp_path)
    assert losses == pytest.approx(GOLDEN[family], rel=2e-4), ", ".join(f"{loss:.5f}" for loss in losses)


def _bert(made: Architecture, vocabulary: int) -> int:
    """Tables and their norm; a block's attention, feed-forward layer and two norms; the head without the word table."""
    d, f = made.hidden_size, made.feed_forward
    tables = (vocabulary + made.max_tokens + 2) * d + 2 * d
    block = 4 * (d * d + d) + (2 * d * f + d + f) + 4 * d
    return tables + made.layers * block + (d * d + d) + 2 * d + vocabulary


@pytest.mark.parametrize(
    "made",
    [
        Architecture("bert", 2, 32, 2, 64, 32),
        Architecture("bert", 1, 24, 3, 40, 64),
        Architecture("bert", 3, 16, 1, 8, 40),
    ],
)
def test_a_new_model_has_as_many_parameters_as_its_configuration_says(made: Architecture, tmp_path: Path) -> None:
    trained, _ = _run(replace(plan(max_steps=1), architecture=made), tmp_path)
    tensors = load_file(trained.folder / "model.safetensors")
    assert sum(tensor.numel() for tensor in tensors.values()) == _bert(made, len(ENTRIES))


@pytest.fixture(scope="module")
def learnt(tmp_path_factory: pytest.TempPathFactory) -> tuple[Trained, list[float]]:
    """A model that has learnt something, and its losses."""
    return _run(plan(epochs=12.0), tmp_path_factory.mktemp("learnt"))


def test_loss_falls_and_the_model_is_served_with_its_head(learnt: tuple[Trained, list[float]]) -> None:
    trained, losses = learnt
    assert np.mean(losses[-5:]) < 0.75 * losses[0]
    english, swedish = (each.find("perplexity") for each in trained.figures)
    assert english.low < english.value < english.high
    assert swedish.value > 1
    assert trained.score == pytest.approx(-math.log(english.value))
    model = load_model(ModelFiles(aliases={"made": trained.folder}), ModelSpec("made"))
    assert model.info.predicts_tokens
    assert (model.info.max_tokens, model.info.layers, model.info.vocabulary_size) == (32, 2, len(ENTRIES))


def test_batches_do_not_change_masks_nor_losses(tmp_path: Path) -> None:
    one, other = (
        _run(plan(max_steps=3, dropout=0.0, accumulation=count), tmp_path / str(count))[1] for count in (1, 4)
    )
    assert one == pytest.approx(other, rel=1e-5)


def test_bfloat16_follows_float32(tmp_path: Path) -> None:
    exact, rough = (
        _run(plan(max_steps=4, dropout=0.0, dtype=dtype), tmp_path / dtype)[1] for dtype in ("float32", "bfloat16")
    )
    assert rough == pytest.approx(exact, rel=0.02)
    assert rough != exact


def test_a_run_that_is_stopped_anywhere_goes_on_bit_for_bit(tmp_path: Path) -> None:
    whole, expected = _run(plan(), tmp_path / "whole")
    told: list[float] = []
    trained = None
    while trained is None:
        events: list[Event] = []
        try:
            trained = pretrain(
                plan(),
                files=ModelFiles(),
                examples=read,
                workdir=tmp_path / "run",
                cache=tmp_path,
                report=events.append,
                stop=lambda events=events: len(_losses(events)) >= 4,  # type: ignore[misc]
            )
        except Stopped:
            # Stopped within an evaluation as well, which is then done again.
            assert len(_losses(events)) in {0, 4}
            if not _losses(events):
                raise
        told += _losses(events)
    assert told == expected
    for name in ("model.safetensors", "pretraining.json", "config.json", "tokenizer.json"):
        assert (trained.folder / name).read_bytes() == (whole.folder / name).read_bytes()
    assert trained.figures == whole.figures


def test_a_model_goes_on_from_its_own_head(learnt: tuple[Trained, list[float]], tmp_path: Path) -> None:
    first, losses = learnt
    files = ModelFiles(aliases={"first": first.folder})
    usual = plan(max_steps=3, learning_rate=1e-6)
    going_on = replace(usual, model=ModelSpec("first"), architecture=None, vocabulary="")
    second, more = _run(going_on, tmp_path / "second", files=files)
    assert abs(more[0] - np.mean(losses[-5:])) < 0.3
    assert not second.warnings
    ours, theirs = (load_file(each.folder / "model.safetensors") for each in (second, first))
    assert {name: each.shape for name, each in ours.items()} == {name: each.shape for name, each in theirs.items()}


def test_the_source_language_chooses_the_best_model(tmp_path: Path) -> None:
    trained, _ = _run(replace(plan(), source="sv"), tmp_path)
    [_, swedish] = trained.figures
    assert trained.score == pytest.approx(-math.log(swedish.find("perplexity").value))


def test_texts_of_the_development_set_in_training_are_counted(tmp_path: Path) -> None:
    leak = {**DATASETS, "en": (*DATASETS["en"], *DATASETS["dev-en"][:7])}
    trained, _ = _run(plan(max_steps=1), tmp_path, examples=leak.__getitem__)
    assert "7 of 207 texts of en (en) stand in a development set, too: perplexities are too low" in trained.warnings


def test_perplexity_is_the_exponential_of_the_mean_with_an_interval_over_streams() -> None:
    figure = perplexity_figure(np.array([2.0, 4.0, 3.0]), np.array([2, 2, 2]), Masking())
    # Mean 1.5; the sums differ from 1.5 for each of two tokens by -1, 1 and 0: error sqrt(2 * 3 / 2) / 6.
    error = 1.959964 * math.sqrt(3) / 6
    assert figure.value == pytest.approx(math.exp(1.5))
    assert (figure.low, figure.high) == pytest.approx((math.exp(1.5 - error), math.exp(1.5 + error)))
    assert figure.n == 6
    single = perplexity_figure(np.array([2.0]), np.array([1]), Masking())
    assert (single.low, math.isfinite(single.high)) == (0.0, True)


def test_a_step_of_special_tokens_alone_has_no_loss_and_ends_nothing(tmp_path: Path) -> None:
    """31 texts of 30 words, a separator behind each, fill 32 streams of 30 tokens, and one separator is left."""
    whole = replace(lines(1, 1)[0], content=" ".join(f"en{word % WORDS}" for word in range(30)))
    texts = {"en": [replace(whole, id=str(place)) for place in range(31)]}
    alone = replace(plan(step_tokens=32, accumulation=1, epochs=2.0), train=(LanguageSet("en", "en"),), dev=())
    _, losses = _run(alone, tmp_path, examples=lambda name: texts.get(name, read(name)))
    assert len(losses) == 2 * 33
    assert [loss == 0.0 for loss in losses].count(True) == 2
    assert all(math.isfinite(loss) for loss in losses)

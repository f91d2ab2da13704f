"""The loop: resumption bit for bit, what ends a run early, what is left on disk."""

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from babelscope.data.examples import Example, Sentence, Word
from safetensors.torch import load_file

from services.models.catalogue import ModelFiles
from services.models.spec import ModelSpec, Reinit
from services.runtime.errors import FailedPrecondition, InvalidArgument
from services.trainer.training.events import (
    Checkpointed,
    Evaluated,
    Event,
    LossNotFinite,
    Prepared,
    Progressed,
    Stopped,
)
from services.trainer.training.fit import fit
from services.trainer.training.plan import FineTunePlan, Frozen, LanguageSet, Optimisation, Trained
from tests.support.task_examples import SETS, direct_score, sentences

HALF = Example("half", Sentence((Word("a", upos="NOUN", head=0, deprel="root"), Word("b")), "a b"))
"""A sentence of which one word has gold answers, and the other has none."""
PLAN = FineTunePlan(
    ModelSpec("tiny"),
    "pos",
    train=(LanguageSet("en", "train"),),
    dev=(LanguageSet("en", "dev"),),
    optimisation=Optimisation(
        learning_rate=1e-3, epochs=2, step_tokens=40, accumulation=2, seed=3, evaluations=2, dropout=0.1
    ),
    threads=1,
)


class Killed(BaseException):
    """Stands for the end of the process."""


class Runner:
    """Runs a plan in a folder and keeps its events."""

    def __init__(self, files: ModelFiles, task: str = "pos") -> None:
        made = SETS[task]
        self.files, self.sets = files, {"train": made(16), "dev": made(6, 1)}
        self.events: list[Event] = []

    def __call__(
        self,
        plan: FineTunePlan,
        workdir: Path,
        *,
        stop: Callable[[], bool] = lambda: False,
        die: Callable[[Event], bool] = lambda event: False,
        seconds: float = 0.0,
    ) -> Trained:
        def report(event: Event) -> None:
            if die(event):
                raise Killed
            self.events.append(event)

        return fit(
            plan,
            files=self.files,
            examples=lambda name: self.sets[name],
            scorer=direct_score,
            workdir=workdir,
            report=report,
            stop=stop,
            checkpoint_seconds=seconds,
        )

    def losses(self) -> dict[int, float]:
        return {event.step: event.loss for event in self.events if isinstance(event, Progressed)}


@pytest.fixture
def run(files: ModelFiles) -> Runner:
    return Runner(files)


def _bits(found: Trained) -> dict[str, bytes]:
    return {name: (found.folder / name).read_bytes() for name in ("model.safetensors", "head.safetensors", "task.json")}


def _last_state(workdir: Path) -> dict[str, torch.Tensor]:
    newest = max(workdir.glob("state-*"))
    return load_file(newest / "weights.safetensors") | load_file(newest / "moments.safetensors")


@pytest.mark.parametrize("task", ["pos", "parsing", "qa"])
def test_a_killed_run_ends_as_an_undisturbed_one_bit_for_bit(task: str, files: ModelFiles, tmp_path: Path) -> None:
    plan = replace(PLAN, task=task)
    whole = Runner(files, task)
    expected = whole(plan, tmp_path / "whole", seconds=1e9)
    steps = expected.steps
    assert steps > 8
    killed = Runner(files, task)
    # In a step, before and after a state is written, after an evaluation, and at the last state.
    for number, kind in (
        (2, Progressed),
        (3, Checkpointed),
        (steps // 2, Evaluated),
        (7, Progressed),
        (steps, Checkpointed),
    ):
        with pytest.raises(Killed):
            killed(
                plan,
                tmp_path / "killed",
                die=lambda event, number=number, kind=kind: isinstance(event, kind) and event.step >= number,
            )
    found = killed(plan, tmp_path / "killed")
    assert killed.losses() == whole.losses()
    assert _bits(found) == _bits(expected)
    assert (found.step, found.score, found.figures, found.steps) == (
        expected.step, expected.score, expected.figures, expected.steps,
    )  # fmt: skip
    ours, theirs = _last_state(tmp_path / "killed"), _last_state(tmp_path / "whole")
    assert ours.keys() == theirs.keys()
    assert all(torch.equal(ours[name], theirs[name]) for name in ours)


def test_a_stopped_run_goes_on_where_it_stopped(run: Runner, files: ModelFiles, tmp_path: Path) -> None:
    whole = Runner(files)
    expected = whole(PLAN, tmp_path / "whole", seconds=1e9)
    asked = 0

    def third() -> bool:
        nonlocal asked
        asked += 1
        return asked % 3 == 0

    found = None
    stopped_at = []
    while found is None:
        try:
            found = run(PLAN, tmp_path / "stopped", stop=third, seconds=1e9)
        except Stopped as stopped:
            stopped_at.append((stopped.step, max(run.losses())))
    assert len(stopped_at) > 3
    assert all(step == done for step, done in stopped_at)
    assert _bits(found) == _bits(expected)
    assert [event.step for event in run.events if isinstance(event, Progressed)] == list(range(1, found.steps + 1))
    assert run.losses() == whole.losses()


def test_a_run_that_is_over_is_not_repeated(run: Runner, tmp_path: Path) -> None:
    first = run(PLAN, tmp_path)
    count = len(run.losses())
    run.events.clear()
    again = run(PLAN, tmp_path)
    assert again == first
    assert not run.losses()
    assert count == first.steps


def test_a_damaged_state_is_passed_over_for_the_one_before(run: Runner, files: ModelFiles, tmp_path: Path) -> None:
    expected = Runner(files)(PLAN, tmp_path / "whole")
    with pytest.raises(Killed):
        run(PLAN, tmp_path / "run", die=lambda event: isinstance(event, Progressed) and event.step == 6)
    [before, newest] = sorted((tmp_path / "run").glob("state-*"))
    content = (newest / "weights.safetensors").read_bytes()
    (newest / "weights.safetensors").write_bytes(content[: len(content) // 2])
    run.events.clear()
    found = run(PLAN, tmp_path / "run")
    assert min(run.losses()) == int(before.name[-8:]) + 1
    assert _bits(found) == _bits(expected)


def test_the_folder_of_another_run_is_refused(run: Runner, tmp_path: Path) -> None:
    run(PLAN, tmp_path)
    other = replace(PLAN, optimisation=replace(PLAN.optimisation, learning_rate=2e-3))
    with pytest.raises(FailedPrecondition, match="another plan, model or data"):
        run(other, tmp_path)
    run.sets["train"] = sentences(17)
    with pytest.raises(FailedPrecondition, match="another plan, model or data"):
        run(PLAN, tmp_path)
    run.sets["train"] = sentences(16)
    assert run(replace(PLAN, threads=2), tmp_path).steps  # another number of threads is allowed


def test_little_is_left_on_disk(run: Runner, tmp_path: Path) -> None:
    (tmp_path / ".state-00000008.0123abcd.babelscope-partial").mkdir()
    found = run(PLAN, tmp_path)
    names = sorted(path.name for path in tmp_path.iterdir())
    assert len([name for name in names if name.startswith("state-")]) == 2
    assert found.folder.name in names
    assert not [name for name in names if name.startswith(".")]
    assert len([name for name in names if name.startswith("best-")]) <= 2


def test_a_loss_that_is_not_finite_ends_the_run_and_keeps_the_last_state(run: Runner, tmp_path: Path) -> None:
    wild = replace(PLAN, optimisation=replace(PLAN.optimisation, learning_rate=1e18, clip=0.0, warmup=0.0))
    with pytest.raises(LossNotFinite) as caught:
        run(wild, tmp_path)
    error = caught.value
    assert error.step > 1
    assert f"step {error.step}" in str(error)
    assert error.kept == error.step - 1
    assert [path.name for path in sorted(tmp_path.glob("state-*"))][-1] == f"state-{error.kept:08d}"


def test_the_best_evaluation_is_kept_and_patience_ends_the_run(run: Runner, tmp_path: Path) -> None:
    plan = replace(PLAN, optimisation=replace(PLAN.optimisation, epochs=20, patience=2))
    found = run(plan, tmp_path)
    evaluated = [event for event in run.events if isinstance(event, Evaluated)]
    best = max(evaluated, key=lambda event: (event.score, -event.step))
    assert (found.step, found.score) == (best.step, best.score)
    assert [event.best for event in evaluated] == [
        all(event.score > other.score for other in evaluated[:place]) for place, event in enumerate(evaluated)
    ]
    if evaluated[-1].step < max(event.of for event in run.events if isinstance(event, Progressed)):
        assert not any(event.best for event in evaluated[-2:])
    stopped = max(run.losses())
    run.events.clear()
    assert run(plan, tmp_path) == found
    assert not run.losses()
    assert found.steps == stopped


def test_without_development_sets_the_last_model_is_kept(run: Runner, tmp_path: Path) -> None:
    found = run(replace(PLAN, dev=()), tmp_path)
    assert (found.step, found.score, found.figures) == (found.steps, None, ())
    assert (found.folder / "model.safetensors").is_file()


def test_accumulated_batches_make_the_step_of_one_batch(run: Runner, files: ModelFiles, tmp_path: Path) -> None:
    # One step an epoch, so that both see the same pieces in each step.
    how = replace(PLAN.optimisation, dropout=0.0, epochs=3, step_tokens=100_000, accumulation=1, evaluations=1)
    run(replace(PLAN, optimisation=how), tmp_path / "one")
    parts = Runner(files)
    parts(replace(PLAN, optimisation=replace(how, step_tokens=600, accumulation=24)), tmp_path / "many")
    assert len(run.losses()) == len(parts.losses()) == 3
    assert list(run.losses().values()) == pytest.approx(list(parts.losses().values()), rel=1e-5)


def test_events_tell_what_was_prepared(run: Runner, tmp_path: Path) -> None:
    run.sets["train"] = sentences(16, longest=30)
    once = replace(PLAN.optimisation, max_steps=1)
    run(replace(PLAN, max_tokens=20, optimisation=once), tmp_path)
    train, dev = (event for event in run.events if isinstance(event, Prepared))
    assert (train.part, train.language, train.dataset, train.examples) == ("train", "en", "train", 16)
    assert train.split > 0
    assert train.cut == train.lost == 0
    assert train.targets == sum(len(example.content.words) for example in run.sets["train"])
    assert (dev.part, dev.examples) == ("dev", 6)


def test_frozen_parts_stay_and_all_others_move(run: Runner, tiny: Callable[[str], Path], tmp_path: Path) -> None:
    found = run(replace(PLAN, frozen=Frozen(embeddings=True, layers=2, patterns=("*.bias",))), tmp_path)
    before, after = (load_file(folder / "model.safetensors") for folder in (tiny("bert"), found.folder))
    assert before.keys() == after.keys()
    for name, tensor in before.items():
        fixed = name.startswith(("embeddings.", "encoder.layer.0.", "encoder.layer.1.", "pooler.")) or name.endswith(
            "bias"
        )
        assert torch.equal(tensor, after[name]) is fixed, name


def test_layers_are_drawn_anew_before_training(run: Runner, tmp_path: Path, tiny: Callable[[str], Path]) -> None:
    drawn = replace(PLAN, model=ModelSpec("tiny", reinit=(Reinit((1, 3), seed=5),)), frozen=Frozen(True, 4))
    found = run(drawn, tmp_path)
    before, after = (load_file(folder / "model.safetensors") for folder in (tiny("bert"), found.folder))
    for name, tensor in before.items():
        anew = name.startswith(("encoder.layer.0.", "encoder.layer.2."))
        assert torch.equal(tensor, after[name]) is not anew, name
    assert float(after["encoder.layer.0.attention.self.query.weight"].std()) == pytest.approx(0.02, rel=0.1)
    assert not after["encoder.layer.2.output.dense.bias"].any()


def test_torch_is_left_as_it_was(run: Runner, tmp_path: Path) -> None:
    torch.manual_seed(11)
    before, threads = torch.get_rng_state(), torch.get_num_threads()
    run(replace(PLAN, threads=2, optimisation=replace(PLAN.optimisation, max_steps=2)), tmp_path)
    assert torch.equal(before, torch.get_rng_state())
    assert torch.get_num_threads() == threads


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"task": "poss"}, "task"),
        ({"options": {"tag": "x"}}, "options[tag]"),
        ({"train": ()}, "train"),
        ({"max_tokens": 100_000}, "max_tokens"),
        ({"max_tokens": 3}, "max_tokens"),
        ({"frozen": Frozen(layers=5)}, "frozen.layers"),
        ({"frozen": Frozen(patterns=("nothing*",))}, "frozen.patterns[0]"),
        ({"model": ModelSpec("tiny", reinit=(Reinit((9,)),))}, "spec.model.reinit[0].layers"),
        ({"optimisation": Optimisation(learning_rate=0.0)}, "optimisation.learning_rate"),
        ({"optimisation": Optimisation(learning_rate=float("nan"))}, "optimisation.learning_rate"),
        ({"optimisation": Optimisation(epochs=0.0)}, "optimisation.epochs"),
        ({"optimisation": Optimisation(warmup=1.5)}, "optimisation.warmup"),
        ({"optimisation": Optimisation(dropout=1.0)}, "optimisation.dropout"),
        ({"optimisation": Optimisation(dtype="float16")}, "optimisation.dtype"),  # type: ignore[arg-type]
        ({"optimisation": Optimisation(course="cosine")}, "optimisation.course"),  # type: ignore[arg-type]
    ],
)
def test_a_plan_that_cannot_be_carried_out_names_its_field(
    change: dict[str, object], field: str, run: Runner, tmp_path: Path
) -> None:
    with pytest.raises(InvalidArgument) as caught:
        run(replace(PLAN, **change), tmp_path)  # type: ignore[arg-type]
    assert caught.value.field == field


@pytest.mark.parametrize(
    ("task", "given", "problem"),
    [
        ("pos", {"train": []}, "it is empty"),
        ("pos", {"dev": []}, "it is empty"),
        ("pos", {"train": [Example("a", "plain text")]}, "Expected examples of kind sentence"),
        ("nli", {"train": sentences(3)}, "Expected examples of kind pair"),
        ("nli", {"train": [Example("p", replace(SETS["nli"](1)[0].content, label=""))]}, "none has one"),
        ("nli", {"dev": [Example("p", replace(SETS["nli"](1)[0].content, label="unheard"))]}, "a gold answer"),
        (
            "parsing",
            {"dev": [Example("s", Sentence((Word("a", head=0, deprel="root"), Word("b")), "a b"))]},
            "whole gold",
        ),
        ("pos", {"dev": [HALF]}, "whole gold"),
        ("parsing", {"train": [Example("s", sentences(1)[0].content.__class__((), ""))]}, "none has one"),
    ],
)
def test_sets_that_cannot_be_used_are_refused(
    task: str, given: dict[str, list[Example]], problem: str, files: ModelFiles, tmp_path: Path
) -> None:
    run = Runner(files, task)
    run.sets.update(given)
    with pytest.raises((FailedPrecondition, InvalidArgument), match=problem) as caught:
        run(replace(PLAN, task=task), tmp_path)
    [named] = given
    assert f"dataset {named}" in str(caught.value)


def test_states_hold_json_and_safetensors_only(run: Runner, tmp_path: Path) -> None:
    run(PLAN, tmp_path)
    for state in tmp_path.glob("state-*"):
        assert {path.name for path in state.iterdir()} == {"weights.safetensors", "moments.safetensors", "state.json"}
        assert json.loads((state / "state.json").read_text())["format"] == 1

"""Runs one after the other in one process: what they share is computed once, and the bits are those of a run alone."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from services.models.catalogue import ModelFiles
from services.models.layers.blocks import Layout
from services.models.layers.dropout import Dropout
from services.models.spec import ModelSpec, Reinit
from services.trainer.evaluation import forward, sets
from services.trainer.evaluation.checkpoint import load_fine_tuned
from services.trainer.evaluation.lower import Lower
from services.trainer.kept import KEPT
from services.trainer.training.events import Event, Progressed
from services.trainer.training.fit import fit
from services.trainer.training.plan import FineTunePlan, Frozen, LanguageSet, Optimisation, Trained
from tests.support.task_examples import SETS, direct_score

TASK = "pos"
DATA = {"train": SETS[TASK](16), "dev": SETS[TASK](6, 1)}
ROOM = 1 << 28
PLAN = FineTunePlan(
    ModelSpec("tiny", reinit=(Reinit((3, 4)),)),
    TASK,
    train=(LanguageSet("en", "train"),),
    dev=(LanguageSet("en", "dev"),),
    frozen=Frozen(embeddings=True, layers=2),
    optimisation=Optimisation(learning_rate=1e-3, epochs=2, step_tokens=48, seed=3, dropout=0.1),
    threads=1,
)
OTHER = replace(PLAN, model=ModelSpec("tiny", reinit=(Reinit((4,), seed=7),)))
SLOW = replace(OTHER, optimisation=replace(OTHER.optimisation, learning_rate=1e-4))


class Killed(BaseException):
    """Stands for the end of the process."""


@pytest.fixture(autouse=True)
def _room() -> Iterator[None]:
    KEPT.begin(0)
    yield
    KEPT.begin(0)


@pytest.fixture
def counted(monkeypatch: pytest.MonkeyPatch) -> dict[str, int]:
    """How often the lower layers were computed, and how many sets were cut."""
    found = {"lower": 0, "cut": 0}

    def counting(name: str, of: Callable[..., object]) -> Callable[..., object]:
        def call(*arguments: object) -> object:
            found[name] += 1
            return of(*arguments)

        return call

    monkeypatch.setattr(forward, "_through", counting("lower", forward._through))
    monkeypatch.setattr(sets, "_prepare", counting("cut", sets._prepare))
    return found


def _fit(
    files: ModelFiles, plan: FineTunePlan, workdir: Path, *, room: int = 0, die_at: int = 0
) -> tuple[Trained, dict[str, bytes], list[float]]:
    """A run as a job of a process, with room for what is kept or without."""
    losses: list[float] = []

    def report(event: Event) -> None:
        if isinstance(event, Progressed):
            losses.append(event.loss)
            if event.step == die_at:
                raise Killed

    KEPT.begin(room)
    trained = fit(
        plan, files=files, examples=lambda name: DATA[name], scorer=direct_score, workdir=workdir, report=report,
        checkpoint_seconds=0.0 if die_at else 1e9,
    )  # fmt: skip
    names = ("model.safetensors", "head.safetensors", "task.json")
    return trained, {name: (trained.folder / name).read_bytes() for name in names}, losses


@pytest.mark.parametrize("dropout", [0.0, 0.1])
def test_jobs_over_the_same_frozen_layers_compute_them_once(
    files: ModelFiles, tmp_path: Path, counted: dict[str, int], dropout: float
) -> None:
    plans = [replace(each, optimisation=replace(each.optimisation, dropout=dropout)) for each in (PLAN, OTHER, SLOW)]
    alone = [_fit(files, plan, tmp_path / f"alone-{place}") for place, plan in enumerate(plans)]
    assert counted["cut"] == 6
    assert counted["lower"] == 0  # the way of a run alone
    for place, plan in enumerate(plans):
        before = dict(counted)
        trained, bits, losses = _fit(files, plan, tmp_path / f"shared-{place}", room=ROOM)
        assert (trained.score, bits, losses) == (alone[place][0].score, *alone[place][1:])
        assert (counted["lower"] > before["lower"], counted["cut"] > before["cut"]) == (not place, not place)


def test_a_run_that_was_killed_goes_on_to_the_same_bits_with_what_is_kept_and_without(
    files: ModelFiles, tmp_path: Path
) -> None:
    _, bits, losses = _fit(files, OTHER, tmp_path / "alone")
    for place, room in enumerate((ROOM, 0)):
        _fit(files, PLAN, tmp_path / f"first-{place}", room=ROOM)
        with pytest.raises(Killed):
            _fit(files, OTHER, tmp_path / f"killed-{place}", room=ROOM, die_at=4)
        _, again, rest = _fit(files, OTHER, tmp_path / f"killed-{place}", room=room)
        assert again == bits
        assert rest == losses[-len(rest) :]


def test_other_weights_below_are_computed_anew(files: ModelFiles, tmp_path: Path, counted: dict[str, int]) -> None:
    _fit(files, PLAN, tmp_path / "first", room=ROOM)
    for place, change in enumerate(
        (
            {"model": ModelSpec("tiny", reinit=(Reinit((2, 3)),))},
            {"frozen": Frozen(embeddings=True, layers=1)},
            {"optimisation": replace(PLAN.optimisation, seed=4)},
        )
    ):
        before = counted["lower"]
        plan = replace(PLAN, **change)  # type: ignore[arg-type]
        shared = _fit(files, plan, tmp_path / f"shared-{place}", room=ROOM)
        assert counted["lower"] > before
        assert shared[1:] == _fit(files, plan, tmp_path / f"alone-{place}")[1:]


def test_nothing_is_shared_where_lower_layers_are_trained(
    files: ModelFiles, tmp_path: Path, counted: dict[str, int]
) -> None:
    for frozen in (Frozen(), Frozen(layers=2)):  # embeddings below frozen layers are trained
        trained, *_ = _fit(files, replace(PLAN, frozen=frozen), tmp_path / str(frozen.layers), room=ROOM)
        assert trained.lower is None
    assert counted["lower"] == 0


def test_a_checkpoint_is_scored_by_what_is_kept_as_without(
    files: ModelFiles, tmp_path: Path, counted: dict[str, int]
) -> None:
    """The development set is scored in training, and as a test set by the model that was loaded again."""
    trained, *_ = _fit(files, PLAN, tmp_path / "run", room=ROOM)
    found = []
    for lower, base in ((None, ""), (trained.lower, trained.base)):
        model = load_fine_tuned(trained.folder)
        model = replace(model, base=base, predictor=replace(model.predictor, lower=lower))
        before = dict(counted)
        found.append(model.ready.evaluate(DATA["dev"], direct_score, language="en", dataset="dev"))
        assert (counted["lower"], counted["cut"] - before["cut"]) == (before["lower"], 0 if base else 1)
    assert found[0].figures == found[1].figures


@pytest.fixture
def layout() -> Layout:
    """Eight rows of one text."""
    places = torch.arange(8)
    return Layout(groups=(), ids=places, positions=places, content=places, starts=places[:1])


def test_whoever_changes_a_hidden_state_changes_their_own(layout: Layout) -> None:
    """Blocks may add to their argument in place."""
    KEPT.begin(ROOM)
    for _ in range(3):
        hidden_TD = Lower(1, "digest").hidden(layout, "float32", lambda: torch.ones(8, 2))
        assert torch.equal(hidden_TD, torch.ones(8, 2))
        hidden_TD += 1
    assert KEPT.held


def test_dropout_is_drawn_as_by_a_run_alone_though_a_batch_comes_twice(layout: Layout) -> None:
    lower, computed = Lower(1, "digest", Dropout(attention=0.1)), []

    def drawn() -> list[torch.Tensor]:
        torch.manual_seed(5)
        return [lower.hidden(layout, "float32", lambda: computed.append(1) or torch.rand(8, 2)) for _ in range(3)]  # type: ignore[func-returns-value]

    alone = drawn()
    assert not torch.equal(alone[0], alone[1])
    for calls in (6, 6):
        KEPT.begin(ROOM)
        assert all(map(torch.equal, drawn(), alone))
        assert len(computed) == calls
        assert torch.equal(torch.rand(4), _after(alone))


def _after(drawn: list[torch.Tensor]) -> torch.Tensor:
    """What the generator gives after the draws."""
    torch.manual_seed(5)
    for each in drawn:
        torch.rand(each.shape)
    return torch.rand(4)

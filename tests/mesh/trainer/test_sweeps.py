"""Sweeps through real servers: a grid of layers, sources and seeds from one command to means over seeds."""

import csv
import json
import time
from pathlib import Path
from typing import Any

import babelscope
import pytest
from babelscope import InvalidRequest, Job, Model, Reinit, SweepFigure, SweepTask
from babelscope.cli import run
from babelscope.corpora.writers import write_examples

from tests.support.job_processes import kill_jobs, processes_of_jobs
from tests.support.tagged import tagged_sentences

GROUPS = ("1-2", "2-3")
SEEDS = (3, 4)
SETS = {"train": ("en", 40, 0), "en": ("en", 20, 1), "en/web": ("en", 20, 7), "sv": ("sv", 20, 2), "de": ("de", 20, 3)}


@pytest.fixture(scope="module")
def out(mesh: babelscope.LocalMesh, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The results of a sweep of two pairs of layers with two seeds, which nobody disturbed."""
    folder = tmp_path_factory.mktemp("files")
    files = {}
    for name, (language, count, seed) in SETS.items():
        files[name] = folder / f"{name.replace('/', '-')}.conllu"
        write_examples(tagged_sentences(count, language, seed), files[name], format="conllu")
    command = [
        "sweep",
        "--task",
        "pos",
        "--model",
        "tiny",
        "--train",
        f"en={files['train']}",
        "--dev",
        f"en={files['en']}",
    ]
    for place in ("en", "en/web", "sv", "de"):
        command += ["--eval", f"{place}={files[place]}"]
    for group in GROUPS:
        command += ["--random-init", group]
    for seed in SEEDS:
        command += ["--seed", str(seed)]
    command += ["--epochs", "2", "--learning-rate", "2e-3", "--head-learning-rate", "5e-3", "--step-tokens", "128"]
    assert run([*command, "--out", str(folder / "out"), "--mesh", mesh.address]) == 0
    return folder / "out"


@pytest.fixture(scope="module")
def swept(mesh: babelscope.LocalMesh, out: Path) -> Job:
    """The job of that sweep."""
    return mesh.trainer.get_job(json.loads((out / "results.json").read_text())["job"])


def _again(mesh: babelscope.LocalMesh, swept: Job, **change: Any) -> Job:
    """A part of the grid: one pair of layers, one seed."""
    [said] = swept.spec.tasks
    [source] = said.sources
    test = [(f"{each.language}/{each.domain}".rstrip("/"), each.dataset) for each in said.eval]
    task = SweepTask("pos", {"en": (source.train, source.dev)}, test)
    axes: Any = {"random_init": {"1-2": (1, 2)}, "seeds": SEEDS[:1], **change.pop("axes", {})}
    how: Any = {"epochs": 2.0, "learning_rate": 2e-3, "head_learning_rate": 5e-3, "step_tokens": 128, **change}
    return mesh.trainer.sweep("tiny", [task], axes=axes, **how)


def _figures(job: Job, **wanted: str) -> list[SweepFigure]:
    return [each for each in job.sweep if all(getattr(each, name) == value for name, value in wanted.items())]


def test_a_grid_comes_to_means_over_seeds(mesh: babelscope.LocalMesh, swept: Job) -> None:
    children = mesh.trainer.list_jobs(parent=swept.name)
    assert len(children) == len(swept.children) == (1 + len(GROUPS)) * len(SEEDS)
    assert {child.name for child in children} == set(swept.children)
    assert {each.reinit for each in swept.sweep} == {"", *GROUPS}
    assert {each.place for each in swept.sweep if each.part == "eval"} == {"en", "en/web", "sv", "de", "X"}
    for figure in _figures(swept, part="eval", domain="", metric="accuracy", estimator="micro"):
        values = {
            (child.labels["seed"], each.target): each.value
            for child in children
            if child.labels["reinit"] == (figure.reinit or "none")
            for each in child.figures
            if (each.part, each.domain, each.metric) == ("eval", "", "accuracy")
        }
        targets = ("sv", "de") if figure.target == "X" else (figure.target,)
        by_seed = [sum(values[str(seed), each] for each in targets) / len(targets) for seed in SEEDS]
        assert figure.mean == pytest.approx(sum(by_seed) / 2)
        assert figure.deviation == pytest.approx(abs(by_seed[0] - by_seed[1]) / 2**0.5)
        assert figure.low <= figure.mean <= figure.high
        [reference] = _figures(swept, part="eval", domain="", metric="accuracy", target=figure.target, reinit="")
        assert figure.delta == (pytest.approx(figure.mean - reference.mean) if figure.reinit else None)
        [own] = _figures(swept, part="eval", domain="", metric="accuracy", target="en", reinit=figure.reinit)
        assert figure.gap == (None if figure.target == "en" else pytest.approx(own.mean - figure.mean))


def test_the_command_writes_the_tidy_table(out: Path, swept: Job) -> None:
    with (out / "results.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert {row["reinit"] for row in rows} == {"", *GROUPS}
    assert {"pos/accuracy", "pos/accuracy/delta", "pos/accuracy/gap"} == {row["metric"] for row in rows}
    assert {row["target"] for row in rows} == {"en", "en/web", "sv", "de", "X"}
    assert {(row["model"], row["source"]) for row in rows} == {("tiny", "en")}
    assert len(json.loads((out / "results.json").read_text())["sweep"]) == len(swept.sweep)


def test_checkpoints_say_how_they_were_trained(mesh: babelscope.LocalMesh, swept: Job) -> None:
    [figure] = _figures(swept, part="dev", reinit="2-3")
    found = mesh.trainer.get_checkpoint(figure.checkpoint)
    [draw] = json.loads(found.provenance["reinit"])
    assert (draw["layers"], draw["seed"]) == ([2, 3], SEEDS[0])
    assert json.loads(found.provenance["frozen"])["layers"] == 0
    assert (found.provenance["model"], found.provenance["source"]) == ("tiny", "en")


def test_jobs_of_a_sweep_are_those_of_the_same_jobs_alone(mesh: babelscope.LocalMesh, swept: Job) -> None:
    """Above frozen layers, with dropout, and with the process killed that had shared their work so far.

    A checkpoint's name is the digest of its contents: the weights, and how they were trained.
    """
    choices = {"4": (4,), "3-4": (3, 4)}
    sweep = _again(mesh, swept, axes={"random_init": choices}, freeze_layers=2, freeze_embeddings=True)
    ended = 0
    while not (job := mesh.trainer.get_job(sweep.name)).ended:
        before, ended = ended, sum(each.ended for each in mesh.trainer.list_jobs(parent=sweep.name))
        if before < 1 <= ended:
            assert kill_jobs(mesh)
        time.sleep(0.05)
    assert job.state == "succeeded", job
    [task] = swept.spec.tasks
    [source] = task.sources
    children = {child.labels["reinit"]: child for child in mesh.trainer.list_jobs(parent=sweep.name)}
    for label, layers in choices.items():
        child = children[label]
        alone = mesh.trainer.fine_tune(
            Model("tiny", reinit=(Reinit(layers, seed=SEEDS[0]),)),
            "pos",
            {"en": source.train},
            dev={"en": source.dev},
            test=[(f"{each.language}/{each.domain}".rstrip("/"), each.dataset) for each in task.eval],
            seed=SEEDS[0],
            epochs=2.0,
            learning_rate=2e-3,
            head_learning_rate=5e-3,
            step_tokens=128,
            freeze_layers=2,
            freeze_embeddings=True,
        )
        alone = mesh.trainer.wait_for_job(alone.name)
        assert (alone.state, alone.checkpoint) == ("succeeded", child.checkpoint)
        assert [each.value for each in alone.figures] == [each.value for each in child.figures]


def test_cancelling_frees_everything(mesh: babelscope.LocalMesh, swept: Job) -> None:
    job = _again(mesh, swept, epochs=2000.0)
    while not processes_of_jobs(mesh):
        time.sleep(0.05)
    mesh.trainer.cancel_job(job.name)
    assert mesh.trainer.wait_for_job(job.name).state == "cancelled"
    assert {child.state for child in mesh.trainer.list_jobs(parent=job.name)} == {"cancelled"}
    assert not processes_of_jobs(mesh)


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"axes": {"learning_rates": (0.0,)}}, "job.sweep.learning_rates[0]"),
        ({"axes": {"seeds": (1, 1)}}, "job.sweep.seeds[1]"),
        ({"axes": {"sizes": (-1,)}}, "job.sweep.step_tokens[0]"),
        ({"warmup": 3.0}, "job.sweep.base.optimisation.warmup"),
    ],
)
def test_a_grid_that_cannot_succeed_is_refused(
    mesh: babelscope.LocalMesh, swept: Job, change: dict[str, Any], field: str
) -> None:
    with pytest.raises(InvalidRequest) as caught:
        _again(mesh, swept, **change)
    assert caught.value.field == field

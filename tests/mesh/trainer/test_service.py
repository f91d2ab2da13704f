"""Training through real servers: jobs from their request to a model that the encoder serves."""

import asyncio
import csv
import json
import os
import signal
from pathlib import Path
from typing import Any

import babelscope
import numpy as np
import pytest
from babelscope import (
    Example,
    Intervention,
    InvalidRequest,
    Job,
    JobEvent,
    Model,
    NotFound,
    Refused,
    Sentence,
    Shift,
    Word,
)
from babelscope.aio import connect
from babelscope.cli import run
from babelscope.corpora import read_examples
from babelscope.corpora.writers import write_examples

from tests.support.job_processes import kill_jobs, saved_steps
from tests.support.tagged import tagged_sentences

HOW = {"epochs": 8.0, "learning_rate": 2e-3, "head_learning_rate": 5e-3, "step_tokens": 128, "seed": 3}


@pytest.fixture(scope="module")
def sets(mesh: babelscope.LocalMesh) -> dict[str, str]:
    """Stored datasets by name."""
    return {
        "train": mesh.datagen.put_dataset(tagged_sentences(60, "en", 0)).name,
        "dev": mesh.datagen.put_dataset(tagged_sentences(20, "en", 1)).name,
        "sv": mesh.datagen.put_dataset(tagged_sentences(20, "sv", 2)).name,
    }


def _enter(mesh: babelscope.LocalMesh, sets: dict[str, str], **how: Any) -> Job:
    model = how.pop("model", "tiny")
    test = {"sv": sets["sv"], "en": sets["dev"]}
    return mesh.trainer.fine_tune(
        model, "pos", {"en": sets["train"]}, dev={"en": sets["dev"]}, test=test, **{**HOW, **how}
    )


@pytest.fixture(scope="module")
def tuned(mesh: babelscope.LocalMesh, sets: dict[str, str]) -> tuple[Job, list[JobEvent]]:
    """A job that has succeeded, and its events."""
    events: list[JobEvent] = []
    job = mesh.trainer.wait_for_job(_enter(mesh, sets).name, progress=events.append)
    assert job.state == "succeeded", (job, mesh.logs["trainer"].read_text()[-3000:])
    return job, events


def _value(job: Job, part: str, target: str) -> float:
    [value] = [
        each.value for each in job.figures if (each.part, each.target, each.metric) == (part, target, "accuracy")
    ]
    return value


def test_a_job_tells_its_course_and_its_figures(tuned: tuple[Job, list[JobEvent]]) -> None:
    job, events = tuned
    assert [event.number for event in events] == list(range(1, job.last_event + 1))
    assert [event.text for event in events if event.kind == "state"] == ["queued", "running", "succeeded"]
    steps = [event for event in events if event.kind == "progress" and event.stage == "train"]
    assert {"loss", "learning_rate", "tokens_per_second", "seconds_left"} <= steps[-1].latest.keys()
    assert steps[-1].done == steps[-1].total
    assert _value(job, "dev", "en") > 90
    assert _value(job, "eval", "sv") > 90
    assert all(each.low <= each.value <= each.high and each.n > 0 and each.signature for each in job.figures)
    assert {row["target"] for row in job.table()} == {"en", "sv"}
    assert job.provenance
    assert job.progress == 1


def test_the_encoder_serves_the_checkpoint(mesh: babelscope.LocalMesh, tuned: tuple[Job, Any]) -> None:
    job, _ = tuned
    texts = ["the old dog hears", "red cat"]
    before, after = (mesh.encoder.encode(texts, model=name) for name in ("tiny", job.checkpoint))
    assert before.array.shape == after.array.shape
    assert not np.allclose(before.array, after.array)
    drawn = mesh.encoder.encode(texts, model=Model(job.checkpoint).reinit_layers([1]))
    assert not np.allclose(drawn.array[:, 1:], after.array[:, 1:])


def test_checkpoints_are_listed_and_predict(mesh: babelscope.LocalMesh, tuned: tuple[Job, Any]) -> None:
    job, _ = tuned
    [found] = [each for each in mesh.trainer.list_checkpoints(job=job.name) if each.name == job.checkpoint]
    assert (found.task, found.job, set(found.labels) >= {"NOUN", "VERB"}) == ("pos", job.name, True)
    assert mesh.trainer.get_checkpoint(job.checkpoint) == found
    asked = tagged_sentences(300, "en", 9)
    blank = [
        Example(each.id, Sentence(tuple(Word(word.form) for word in each.content.words), each.content.text), "en")  # type: ignore[union-attr]
        for each in asked
    ]
    said = list(mesh.trainer.predict(job.checkpoint, blank))
    assert [each.id for each in said] == [each.id for each in asked]
    right = [
        mine.upos == theirs.upos
        for each, gold in zip(said, asked, strict=True)
        for mine, theirs in zip(each.content.words, gold.content.words, strict=True)  # type: ignore[union-attr]
    ]
    assert np.mean(right) > 0.9


def test_a_checkpoint_is_evaluated_as_it_was(
    mesh: babelscope.LocalMesh, sets: dict[str, str], tuned: tuple[Job, Any]
) -> None:
    job, _ = tuned
    with pytest.raises(InvalidRequest, match=r"Expected a number within 7\.\.\d+ for checkpoints/\w+, but got 3"):
        mesh.trainer.evaluate(job.checkpoint, {"sv": sets["sv"]}, max_tokens=3)
    with pytest.raises(
        InvalidRequest, match=r"Expected a number within 7\.\.\d+ for checkpoints/\w+, but got 3"
    ) as caught:
        list(mesh.trainer.predict(job.checkpoint, tagged_sentences(1, "en", 0), max_tokens=3))
    assert caught.value.field == "spec.max_tokens"
    again = mesh.trainer.wait_for_job(mesh.trainer.evaluate(job.checkpoint, {"sv": sets["sv"]}).name)
    assert again.state == "succeeded", again
    assert _value(again, "eval", "sv") == _value(job, "eval", "sv")


def test_a_job_that_is_killed_ends_with_the_undisturbed_numbers(
    mesh: babelscope.LocalMesh, sets: dict[str, str], tuned: tuple[Job, Any]
) -> None:
    """The same job again, its process killed twice in training: figures and weights are those of the first."""
    first, _ = tuned
    job = _enter(mesh, sets)
    kills = 0
    for event in mesh.trainer.watch_job(job.name):
        if event.kind == "progress" and event.stage == "train" and kills < 2 and event.done >= 5 * (kills + 1):
            kills += kill_jobs(mesh)
    done = mesh.trainer.get_job(job.name)
    assert (done.state, kills) == ("succeeded", 2), done
    assert done.attempts >= 3  # more where a loaded machine let a lease run out
    assert saved_steps(mesh, job.name) > 5
    assert done.checkpoint == first.checkpoint
    assert [(each.part, each.target, each.value) for each in done.figures] == [
        (each.part, each.target, each.value) for each in first.figures
    ]


def test_a_killed_trainer_goes_on(mesh: babelscope.LocalMesh, sets: dict[str, str], tuned: tuple[Job, Any]) -> None:
    """SIGKILL to the server: it is started again, takes the job up once the lease has run out, and watchers go on."""
    first, _ = tuned
    job = _enter(mesh, sets)
    killed = False
    numbers = []
    for event in mesh.trainer.watch_job(job.name):
        numbers.append(event.number)
        if not killed and event.kind == "progress" and event.stage == "train":
            pid = mesh.pids["trainer"]
            assert pid is not None
            os.kill(pid, signal.SIGKILL)
            killed = True
    done = mesh.trainer.get_job(job.name)
    assert (done.state, done.checkpoint) == ("succeeded", first.checkpoint), done
    assert numbers == list(range(1, done.last_event + 1))


def test_a_factor_is_chosen_on_dev_and_reported_on_test(
    mesh: babelscope.LocalMesh, sets: dict[str, str], tuned: tuple[Job, Any]
) -> None:
    """A shift that destroys the last layer, and none: none is chosen, and the figures are those of training."""
    first, _ = tuned
    vector = np.full(mesh.encoder.get_model(first.checkpoint).hidden_size, 50.0, dtype=np.float32)
    vector[::2] = -50.0
    shift = Intervention(4, Shift(vector, 1.0))
    asked: Any = {"interventions": [shift], "alphas": (1.0, 0.0), "dev": {"sv": sets["dev"], "en": sets["dev"]}}
    test = {"sv": sets["sv"], "en": sets["dev"]}
    job = mesh.trainer.wait_for_job(mesh.trainer.evaluate(first.checkpoint, test, **asked).name)
    assert job.state == "succeeded", job
    dev = {(each.target, each.alpha): each.value for each in job.figures if each.part == "dev"}
    assert dev["sv", 0.0] > dev["sv", 1.0]
    assert {each.alpha for each in job.figures if each.part == "eval"} == {0.0}
    assert _value(job, "eval", "sv") == _value(first, "eval", "sv")
    wanted = ("eval", "sv", "accuracy")
    [swedish] = [each for each in job.figures if (each.part, each.target, each.metric) == wanted]
    cells = [each for each in job.figures if (each.part, each.target, each.metric) == ("eval", "sv", "confusion")]
    assert sum(each.value for each in cells) > swedish.n  # words, more than sentences
    assert {each.left for each in job.figures if each.metric == "label_f1"} == {"NOUN", "VERB", "ADJ", "DET"}
    assert swedish.gap == _value(job, "eval", "en") - _value(job, "eval", "sv")
    assert (swedish.source, swedish.seed, swedish.task) == ("en", 3, "pos")
    with pytest.raises(InvalidRequest) as caught:
        mesh.trainer.evaluate(first.checkpoint, test, **{**asked, "dev": {"sv": sets["dev"]}})
    assert caught.value.field == "job.evaluate.dev"
    with pytest.raises(InvalidRequest) as caught:
        mesh.trainer.evaluate(first.checkpoint, test, **{**asked, "interventions": []})
    assert caught.value.field == "job.evaluate.interventions"


def test_cancelling_and_retrying(mesh: babelscope.LocalMesh, sets: dict[str, str]) -> None:
    job = _enter(mesh, sets, epochs=2000.0)
    for event in mesh.trainer.watch_job(job.name):
        if event.kind == "progress" and event.stage == "train":
            break
    mesh.trainer.cancel_job(job.name)
    assert mesh.trainer.wait_for_job(job.name).state == "cancelled"
    assert mesh.trainer.retry_job(job.name).state in {"queued", "running"}
    mesh.trainer.cancel_job(job.name)
    assert mesh.trainer.wait_for_job(job.name).state == "cancelled"
    assert job.name in {each.name for each in mesh.trainer.list_jobs(states=["cancelled"])}


def test_a_repeated_request_is_one_job(mesh: babelscope.LocalMesh, sets: dict[str, str]) -> None:
    entry: Any = {"request_id": "again", "labels": {"team": "nlp"}}
    made = [
        mesh.trainer.fine_tune("tiny", "pos", {"en": sets["train"]}, entry=entry, epochs=0.1).name for _ in range(2)
    ]
    assert made[0] == made[1]
    assert [each.name for each in mesh.trainer.list_jobs(labels={"team": "nlp"})] == made[:1]
    with pytest.raises(InvalidRequest, match="whose specification is another") as caught:
        mesh.trainer.fine_tune("tiny", "pos", {"en": sets["dev"]}, entry=entry)
    assert caught.value.field == "request_id"
    assert mesh.trainer.wait_for_job(made[0]).state == "succeeded"


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"task": "poss"}, "job.fine_tune.task"),
        ({"learning_rate": -1.0}, "job.fine_tune.optimisation.learning_rate"),
        ({"warmup": 2.0}, "job.fine_tune.optimisation.warmup"),
        ({"options": {"colour": "red"}}, "job.fine_tune.options[colour]"),
        ({"train": {}}, "job.fine_tune.train"),
        ({"freeze_layers": -1}, "job.fine_tune.frozen.layers"),
        ({"freeze_layers": 99}, "job.fine_tune.frozen.layers"),
        ({"max_tokens": 3}, "job.fine_tune.max_tokens"),
        ({"model": Model("tiny").reinit_layers([99])}, "job.fine_tune.model.reinit[0].layers"),
        ({"interventions": [Intervention(99, Shift(np.ones(4, np.float32)))]}, "job.fine_tune.interventions[0].layer"),
        ({"workers": 9}, "job.fine_tune.optimisation.workers"),
        ({"test": [("fr", "datasets/a"), ("sv", "datasets/a"), ("fr", "datasets/b")]}, "job.fine_tune.eval[2]"),
        ({"test": [("zh/news", "datasets/a"), ("cmn/news", "datasets/b")]}, "job.fine_tune.eval[1]"),
        ({"dev": [("en", "datasets/a"), ("en", "datasets/b")]}, "job.fine_tune.dev[1]"),
    ],
)
def test_what_cannot_succeed_is_refused_at_once(
    mesh: babelscope.LocalMesh, sets: dict[str, str], change: dict[str, Any], field: str
) -> None:
    asked = {"model": "tiny", "task": "pos", "train": {"en": sets["train"]}, **change}
    with pytest.raises(InvalidRequest) as caught:
        mesh.trainer.fine_tune(asked.pop("model"), asked.pop("task"), asked.pop("train"), **asked)
    assert caught.value.field == field


def test_what_is_not_there_is_named(mesh: babelscope.LocalMesh, sets: dict[str, str]) -> None:
    with pytest.raises(NotFound, match="Expected the name of a model"):
        mesh.trainer.fine_tune("tinny", "pos", {"en": sets["train"]})
    with pytest.raises(NotFound, match="Expected the name of a job"):
        mesh.trainer.get_job("jobs/0")
    with pytest.raises(NotFound, match="Expected the name of a checkpoint"):
        mesh.trainer.evaluate("checkpoints/" + "0" * 64, {"en": sets["dev"]})
    done = mesh.trainer.list_jobs(states=["succeeded"])[0]
    with pytest.raises(Refused, match="it has ended"):
        mesh.trainer.cancel_job(done.name)


def test_data_that_does_not_fit_fails_the_job_with_the_reason(mesh: babelscope.LocalMesh) -> None:
    texts = mesh.datagen.put_dataset([Example("1", "running text", "en")]).name
    job = mesh.trainer.wait_for_job(mesh.trainer.fine_tune("tiny", "pos", {"en": texts}).name)
    assert job.state == "failed"
    assert "Expected" in job.reason, job.reason
    missing = "datasets/" + "0" * 64
    job = mesh.trainer.wait_for_job(mesh.trainer.fine_tune("tiny", "pos", {"en": missing}).name)
    assert job.state == "failed"
    assert missing in job.reason, job.reason


@pytest.mark.parametrize("task", ["pos", "ner", "parsing"])
def test_a_test_set_without_gold_fails_the_job_before_it_trains(mesh: babelscope.LocalMesh, task: str) -> None:
    first = Word("dogs", upos="NOUN", ner="O", head=2, deprel="nsubj")
    second = Word("bark", upos="VERB", ner="O", head=0, deprel="root")
    whole = Example("1", Sentence((first, second), "dogs bark"), "en")
    # Half a gold answer is none. Half a tree is refused when it is stored.
    half = (Word("dogs", upos="NOUN", ner="O"), Word("bark"))
    partly = Example("2", Sentence(half, "dogs bark"), "en")
    train = mesh.datagen.put_dataset([whole]).name
    test = mesh.datagen.put_dataset([partly]).name
    job = mesh.trainer.wait_for_job(mesh.trainer.fine_tune("tiny", task, {"en": train}, test={"sv": test}).name)
    assert job.state == "failed"
    assert f"{test}: Expected examples with whole gold answers for task {task}" in job.reason
    assert not job.checkpoint


def test_tasks_are_listed(mesh: babelscope.LocalMesh) -> None:
    assert {"pos", "ner", "parsing", "nli", "qa"} <= {task.name for task in mesh.trainer.list_tasks()}


def test_the_asynchronous_client_does_the_same(mesh: babelscope.LocalMesh, tuned: tuple[Job, list[JobEvent]]) -> None:
    job, events = tuned

    async def look() -> tuple[Job, list[int]]:
        async with connect(mesh.address) as twin:
            seen = [event.number async for event in twin.trainer.watch_job(job.name, from_event=3)]
            return await twin.trainer.get_job(job.name), seen

    found, seen = asyncio.run(look())
    assert (found, seen) == (job, [event.number for event in events[2:]])


def test_deleting_a_checkpoint(mesh: babelscope.LocalMesh, sets: dict[str, str]) -> None:
    job = mesh.trainer.wait_for_job(_enter(mesh, sets, epochs=0.2, seed=77).name)
    mesh.trainer.delete_checkpoint(job.checkpoint)
    with pytest.raises(NotFound):
        mesh.trainer.get_checkpoint(job.checkpoint)
    with pytest.raises(NotFound):
        list(mesh.trainer.predict(job.checkpoint, tagged_sentences(1, "en", 0)))


def _conllu(path: Path, examples: list[Example]) -> Path:
    write_examples(examples, path, format="conllu")
    return path


def test_commands_from_files_to_results(
    mesh: babelscope.LocalMesh, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    """`train`, then `evaluate`, `predict` and `jobs`, on CoNLL-U files."""
    files = {
        name: _conllu(tmp_path / f"{name}.conllu", tagged_sentences(30, "en", seed)) for seed, name in enumerate("abc")
    }
    out = tmp_path / "out"
    command = ["train", "--task", "pos", "--model", "tiny", "--train", f"en={files['a']}", "--dev", f"en={files['b']}"]
    command += ["--eval", f"sv={files['c']}", "--epochs", "8", "--learning-rate", "2e-3", "--step-tokens", "128"]
    assert run([*command, "--out", str(out), "--mesh", mesh.address]) == 0
    said = capfd.readouterr()
    assert "loss" in said.err
    record = json.loads((out / "results.json").read_text())
    assert record["checkpoint"] in said.err
    with (out / "results.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert {(row["kind"], row["metric"], row["source"], row["target"]) for row in rows} == {
        ("fine_tune/dev", "accuracy", "en", "en"),
        ("fine_tune/eval", "accuracy", "en", "sv"),
    }
    assert all(float(row["value"]) > 80 and row["model"] == "tiny" for row in rows)

    command = ["evaluate", record["checkpoint"], "--eval", f"sv={files['c']}", "--output", str(tmp_path / "again.csv")]
    assert run([*command, "--mesh", mesh.address]) == 0
    with (tmp_path / "again.csv").open(newline="") as file:
        again = list(csv.DictReader(file))
    [accuracy] = [row for row in again if row["metric"] == "accuracy"]
    assert accuracy["value"] == next(row["value"] for row in rows if row["target"] == "sv")
    assert {row["metric"] for row in again} == {"accuracy", "label_f1", "confusion"}

    command = ["predict", record["checkpoint"], "--input", str(files["c"]), "--output", str(tmp_path / "said.conllu")]
    assert run([*command, "--mesh", mesh.address]) == 0
    said_words = [word.upos for each in read_examples(tmp_path / "said.conllu") for word in each.content.words]  # type: ignore[union-attr]
    gold_words = [word.upos for each in tagged_sentences(30, "en", 2) for word in each.content.words]  # type: ignore[union-attr]
    assert np.mean([a == b for a, b in zip(said_words, gold_words, strict=True)]) > 0.8

    elsewhere = ["predict", record["checkpoint"], "--input", str(files["c"]), "--output", str(tmp_path / "said.iob2")]
    assert run([*elsewhere, "--mesh", mesh.address]) == 2
    assert "Expected a file whose name tells conllu, but got" in " ".join(capfd.readouterr().err.split())
    assert not (tmp_path / "said.iob2").exists()

    assert run(["jobs", "list", "--state", "succeeded", "--mesh", mesh.address]) == 0
    assert record["job"] in capfd.readouterr().out
    assert run(["jobs", "show", record["job"], "--mesh", mesh.address]) == 0
    assert run(["jobs", "watch", record["job"], "--mesh", mesh.address]) == 0
    fetch = ["jobs", "fetch", record["job"], "--mesh", mesh.address]
    assert run([*fetch, "--mlflow", str(tmp_path / "mlruns")]) == 0
    [place] = (tmp_path / "mlruns").glob(f"*/{record['job'].removeprefix('jobs/')}")
    assert json.loads((place / "artifacts" / "results.json").read_text()) == record
    assert len((place / "metrics" / "train" / "loss").read_text().splitlines()) >= 1
    assert (place / "tags" / "checkpoint").read_text() == record["checkpoint"]
    assert run(fetch) == 2
    capfd.readouterr()
    assert run(["jobs", "retry", record["job"], "--mesh", mesh.address]) == 1
    assert "it is succeeded" in capfd.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["train", "--task", "pos", "--model", "m", "--train", "en"], "Expected --train LANGUAGE=FILE, but got 'en'"),
        (["train", "--task", "pos", "--model", "m", "--train", "en=/nowhere"], "Expected a file in --train"),
        (["train", "--task", "pos", "--model", "m", "--train", "en=x", "--detach"], "Expected --mesh with --detach"),
        (["evaluate", "checkpoints/x"], "Expected at least one --eval"),
    ],
)
def test_wrong_usage_of_commands(
    mesh: babelscope.LocalMesh, arguments: list[str], message: str, capfd: pytest.CaptureFixture[str]
) -> None:
    address = [] if "--detach" in arguments else ["--mesh", mesh.address]
    assert run([*arguments, *address]) == 2
    assert message in capfd.readouterr().err

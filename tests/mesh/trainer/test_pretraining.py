"""Pretraining through real servers: from lines to a model that predicts tokens and is fine-tuned."""

import json
from pathlib import Path
from typing import Any

import babelscope
import pytest
from babelscope import Architecture, Example, InvalidRequest, Job, JobEvent, NotFound, Step
from babelscope.cli import run
from babelscope.corpora.vocabularies import from_examples

from tests.support.job_processes import kill_jobs, saved_steps
from tests.support.pretraining import lines
from tests.support.tagged import tagged_sentences

SMALL = Architecture(layers=2, hidden_size=32, heads=2, feed_forward=64, max_tokens=32, initializer_range=0.1)
HOW: dict[str, Any] = {"epochs": 10.0, "learning_rate": 5e-3, "step_tokens": 512, "seed": 3}


@pytest.fixture(scope="module")
def sets(mesh: babelscope.LocalMesh) -> dict[str, str]:
    """Stored datasets by name; the vocabulary is the one that datagen learns of the corpora."""
    corpora = {"en": lines(200, 1), "sv": lines(60, 2, "sv"), "dev": lines(20, 3)}
    everything = [
        Example(f"{name}-{each.id}", each.content, each.language) for name in corpora for each in corpora[name]
    ]
    learnt = list(mesh.datagen.transform(everything, [Step("learn_vocabulary", {"size": "100"})]))
    names = {name: mesh.datagen.put_dataset(each).name for name, each in corpora.items()}
    names["vocabulary"] = mesh.datagen.put_dataset(learnt).name
    cut = [
        Step("cut_subwords", {"vocabulary": names["vocabulary"], "form": "ids"}),
        Step("cut_streams", {"length": "30"}),
    ]
    names["streams"] = mesh.datagen.put_dataset(list(mesh.datagen.transform(corpora["en"], cut))).name
    [names["json"]] = from_examples(learnt).values()
    return names


@pytest.fixture(scope="module")
def pretrained(mesh: babelscope.LocalMesh, sets: dict[str, str]) -> tuple[Job, list[JobEvent]]:
    """A job that has succeeded, and its events."""
    events: list[JobEvent] = []
    train = {"en": sets["en"], "sv": sets["sv"]}
    job = mesh.trainer.pretrain_mlm(SMALL, train, vocabulary=sets["vocabulary"], dev={"en": sets["dev"]}, **HOW)
    job = mesh.trainer.wait_for_job(job.name, progress=events.append)
    assert job.state == "succeeded", (job, mesh.logs["trainer"].read_text()[-3000:])
    return job, events


def test_a_job_tells_its_course_and_its_perplexity(pretrained: tuple[Job, list[JobEvent]]) -> None:
    job, events = pretrained
    assert job.kind == "pretrain_mlm"
    assert job.spec.language_exponent == pytest.approx(0.7)
    assert job.spec.architecture.layers == 2
    steps = [event for event in events if event.kind == "progress" and event.stage == "train"]
    assert {"loss", "learning_rate", "tokens_per_second", "seconds_left"} <= steps[-1].latest.keys()
    [figure] = job.figures
    assert (figure.part, figure.source, figure.target, figure.metric) == ("dev", "en+sv", "en", "perplexity")
    told = [event.figure.value for event in events if event.figure is not None]
    assert figure.value == min(told) < told[0]
    assert job.table()[0]["metric"] == "perplexity"


def test_the_encoder_serves_it_and_predicts_its_tokens(
    mesh: babelscope.LocalMesh, pretrained: tuple[Job, list[JobEvent]]
) -> None:
    job, _ = pretrained
    checkpoint = mesh.trainer.get_checkpoint(job.checkpoint)
    assert (checkpoint.task, checkpoint.job) == ("mlm", job.name)
    hidden = mesh.encoder.encode(["en3 en4"], model=job.checkpoint, layers=[0, 2])
    assert hidden.info.model.layers == 2
    found = mesh.encoder.predict_tokens(["en3 en4 en5"], model=job.checkpoint, top_k=2)
    [text] = found.texts
    assert text.token_ids.shape == (1, 1, len(text.input_ids), 2)
    assert text.special.sum() == 2


def test_fine_tuning_starts_from_it(mesh: babelscope.LocalMesh, pretrained: tuple[Job, list[JobEvent]]) -> None:
    job, _ = pretrained
    train = mesh.datagen.put_dataset(tagged_sentences(20, "en", 0)).name
    tuned = mesh.trainer.fine_tune(job.checkpoint, "pos", {"en": train}, epochs=1.0)
    tuned = mesh.trainer.wait_for_job(tuned.name)
    assert tuned.state == "succeeded", tuned.reason
    assert mesh.trainer.get_checkpoint(tuned.checkpoint).provenance["model"] == job.checkpoint


@pytest.mark.slow
def test_a_killed_job_goes_on_from_streams_of_ids(mesh: babelscope.LocalMesh, sets: dict[str, str]) -> None:
    def enter() -> Job:
        train = {"en": sets["streams"]}
        return mesh.trainer.pretrain_mlm(SMALL, train, vocabulary=sets["vocabulary"], form="ids", **HOW)

    whole = mesh.trainer.wait_for_job(enter().name)
    assert whole.state == "succeeded", whole.reason
    job = enter()
    for event in mesh.trainer.watch_job(job.name):
        if event.stage == "train":
            kill_jobs(mesh)
            break
    again = mesh.trainer.wait_for_job(job.name)
    assert (again.state, again.checkpoint) == ("succeeded", whole.checkpoint)
    assert saved_steps(mesh, job.name) > 0


def test_a_model_goes_on_by_the_command(
    mesh: babelscope.LocalMesh, sets: dict[str, str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "en.txt").write_text("\n".join(str(each.content) for each in lines(120, 5)))
    (tmp_path / "tokenizer.json").write_text(sets["json"])
    common = ["--mesh", mesh.address, "--corpus", f"en={tmp_path}/en.txt", "--dev", f"en={sets['dev']}"]
    small = ["--layers", "1", "--width", "32", "--heads", "2", "--max-tokens", "32", "--step-tokens", "512"]
    new = ["--vocabulary", f"{tmp_path}/tokenizer.json", "--out", f"{tmp_path}/out", *small]
    assert run(["pretrain", *common, *new]) == 0
    assert "Checkpoint: checkpoints/" in capsys.readouterr().err
    record = json.loads((tmp_path / "out" / "results.json").read_text())
    going_on = ["--model", record["checkpoint"], "--step-tokens", "512", "--out", f"{tmp_path}/more"]
    assert run(["pretrain", *common, *going_on]) == 0
    assert run(["pretrain", *common]) == 2
    # What a new model would be changes nothing of a model that there is, its usual number of layers neither.
    capsys.readouterr()
    for idle in (["--max-tokens", "16"], ["--layers", "8"], ["--prefixed"]):
        assert run(["pretrain", *common, *going_on, *idle]) == 2
        assert f"Expected no {idle[0]} with --model, which has its own" in capsys.readouterr().err


def test_what_cannot_succeed_is_refused_at_once(mesh: babelscope.LocalMesh, sets: dict[str, str]) -> None:
    train = {"en": sets["en"]}
    with pytest.raises(InvalidRequest) as raised:
        mesh.trainer.pretrain_mlm(Architecture(family="gpt"), train, vocabulary=sets["vocabulary"])
    assert raised.value.field == "job.pretrain_mlm.architecture.family"
    with pytest.raises(InvalidRequest) as raised:
        mesh.trainer.pretrain_mlm(SMALL, train, vocabulary=sets["vocabulary"], masked=0.9, random=0.2)
    assert raised.value.field == "job.pretrain_mlm.random"
    with pytest.raises(NotFound):
        mesh.trainer.pretrain_mlm(SMALL, train, vocabulary="nowhere")
    with pytest.raises(NotFound):
        mesh.trainer.pretrain_mlm("nowhere", train)
    with pytest.raises(ValueError, match="form"):
        mesh.trainer.pretrain_mlm(SMALL, train, vocabulary="nowhere", form="words")

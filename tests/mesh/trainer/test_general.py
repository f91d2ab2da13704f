"""A model that transformers' own modules run, fine-tuned by the command and used by all servers."""

import csv
import json
from pathlib import Path
from typing import Any

import babelscope
import numpy as np
import pytest
from babelscope import Adversary, Intervention, InvalidRequest, Model, Reinit, Shift, SweepTask
from babelscope.cli import run
from babelscope.corpora import read_examples
from babelscope.corpora.writers import write_examples

from tests.support.tagged import tagged_sentences


def test_a_deberta_is_trained_scored_served_and_predicts(
    mesh: babelscope.LocalMesh, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    files = {name: tmp_path / f"{name}.conllu" for name in ("train", "test")}
    for seed, path in enumerate(files.values()):
        write_examples(tagged_sentences(40 if seed == 0 else 20, "en", seed), path, format="conllu")
    command = ["train", "--task", "pos", "--model", "deberta", "--random-init", "2", "--train", f"en={files['train']}"]
    command += ["--eval", f"sv={files['test']}", "--epochs", "8", "--learning-rate", "2e-3", "--step-tokens", "128"]
    assert run([*command, "--out", str(tmp_path / "out"), "--mesh", mesh.address]) == 0, capfd.readouterr().err
    record = json.loads((tmp_path / "out" / "results.json").read_text())
    job, checkpoint = mesh.trainer.get_job(record["job"]), record["checkpoint"]
    assert job.provenance["engine"] == "general"
    with (tmp_path / "out" / "results.csv").open(newline="") as file:
        [row] = list(csv.DictReader(file))
    assert float(row["value"]) > 80

    command = ["evaluate", checkpoint, "--eval", f"sv={files['test']}", "--output", str(tmp_path / "again.csv")]
    assert run([*command, "--mesh", mesh.address]) == 0
    with (tmp_path / "again.csv").open(newline="") as file:
        assert row["value"] in {each["value"] for each in csv.DictReader(file) if each["metric"] == "accuracy"}
    command = ["predict", checkpoint, "--input", str(files["test"]), "--output", str(tmp_path / "said.conllu")]
    assert run([*command, "--mesh", mesh.address]) == 0
    said, gold = (
        [word.upos for each in examples for word in each.content.words]  # type: ignore[union-attr]
        for examples in (read_examples(tmp_path / "said.conllu"), tagged_sentences(20, "en", 1))
    )
    assert 100 * np.mean([one == other for one, other in zip(said, gold, strict=True)]) == pytest.approx(
        float(row["value"])
    )
    far = [Intervention(1, Shift(np.linspace(-50, 50, 48, dtype=np.float32), 1.0))]
    examples = tagged_sentences(5, "en", 1)
    plain, moved = (list(mesh.trainer.predict(checkpoint, examples, interventions=each)) for each in ((), far))
    assert plain != moved

    beyond = [Intervention(3, Shift(np.ones(48, dtype=np.float32), 1.0))]
    with pytest.raises(InvalidRequest, match=r"within 0\.\.2 for model checkpoints/") as caught:
        mesh.trainer.evaluate(checkpoint, {"sv": mesh.datagen.put_dataset(examples).name}, interventions=beyond)
    assert caught.value.field == "job.evaluate.interventions[0].layer"

    hidden = [mesh.encoder.encode(["Katten sover."], model=name, layers=[2]) for name in ("deberta", checkpoint)]
    assert {each.info.model.engine for each in hidden} == {"general"}
    assert (hidden[0].array != hidden[1].array).any()


def test_what_a_model_does_not_have_is_refused_before_the_queue(mesh: babelscope.LocalMesh) -> None:
    train = mesh.datagen.put_dataset(tagged_sentences(5, "en", 0)).name
    far = [Intervention(3, Shift(np.ones(48, dtype=np.float32), 1.0))]
    wrong: list[tuple[dict[str, Any], str]] = [
        ({"adversary": Adversary(3, {"sv": train})}, "job.fine_tune.adversarial_alignment.layer"),
        ({"freeze_layers": 3}, "job.fine_tune.frozen.layers"),
        ({"interventions": far}, "job.fine_tune.interventions[0].layer"),
        ({"language_interventions": {"sv": far}}, "job.fine_tune.language_interventions[0].interventions[0].layer"),
    ]
    for given, field in wrong:
        with pytest.raises(InvalidRequest, match=r"within 0\.\.2") as caught:
            mesh.trainer.fine_tune("deberta", "pos", {"en": train}, **given)
        assert caught.value.field == field
    with pytest.raises(InvalidRequest, match=r"within 1\.\.2 for model deberta, but got 3") as caught:
        mesh.trainer.fine_tune(Model("deberta", reinit=(Reinit((3,)),)), "pos", {"en": train})
    assert caught.value.field == "job.fine_tune.model.reinit[0].layers"
    task = SweepTask("pos", {"en": (train, train)}, {"en": train})
    with pytest.raises(InvalidRequest, match=r"within 1\.\.2 for model deberta, but got 3"):
        mesh.trainer.sweep("deberta", [task], axes={"random_init": {"3": (3,)}})
    with pytest.raises(InvalidRequest, match=r"Expected a number within \d+\.\.256 for model deberta, but got 300"):
        mesh.trainer.fine_tune("deberta", "pos", {"en": train}, max_tokens=300)

"""A model that transformers' own modules run, fine-tuned by the command and used by all servers."""

import csv
import json
from pathlib import Path

import babelscope
import numpy as np
import pytest
from babelscope import Adversary, Intervention, InvalidRequest, Shift
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

    hidden = [mesh.encoder.encode(["Katten sover."], model=name, layers=[2]) for name in ("deberta", checkpoint)]
    assert {each.info.model.engine for each in hidden} == {"general"}
    assert (hidden[0].array != hidden[1].array).any()


def test_what_needs_packed_batches_is_refused_before_the_queue(mesh: babelscope.LocalMesh) -> None:
    train = mesh.datagen.put_dataset(tagged_sentences(5, "en", 0)).name
    with pytest.raises(InvalidRequest, match="run by transformers' own modules"):
        mesh.trainer.fine_tune("deberta", "pos", {"en": train}, adversary=Adversary(1, {"sv": train}))
    with pytest.raises(InvalidRequest, match=r"Expected a number within \d+\.\.256 for model deberta, but got 300"):
        mesh.trainer.fine_tune("deberta", "pos", {"en": train}, max_tokens=300)

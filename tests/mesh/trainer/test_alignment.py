"""Alignment through real servers: layers that are edited and aligned while training, and words of another language."""

import json
from pathlib import Path

import babelscope
import numpy as np
import pytest
from babelscope import Example, Intervention, Job, LinearMap, Shift
from babelscope.cli import run
from babelscope.corpora.writers import write_examples

from tests.support.tagged import tagged_sentences


def _stored(mesh: babelscope.LocalMesh) -> str:
    return mesh.datagen.put_dataset(tagged_sentences(20, "sv", 2)).name


def _accuracy(job: Job) -> float:
    [value] = [each.value for each in job.figures if (each.part, each.metric) == ("eval", "accuracy")]
    return value


def test_an_aligned_layer_belongs_to_the_checkpoint(
    mesh: babelscope.LocalMesh, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    """A discriminator and a map of English while training, by the command; then evaluation, prediction and encoding."""
    train = mesh.datagen.put_dataset(tagged_sentences(60, "en", 0)).name
    swedish = tmp_path / "sv.conllu"
    write_examples(tagged_sentences(20, "sv", 2), swedish, format="conllu")
    texts = [[each.content.text for each in tagged_sentences(40, "en", seed)] for seed in (8, 9)]  # type: ignore[union-attr]
    options = {"normalisation": "centre"}
    fitted = mesh.metrics.fit_map(*texts, "procrustes", options=options, model="tiny", layers=[3])
    name = fitted[3].source_map
    command = ["train", "--task", "pos", "--model", "tiny", "--train", f"en={train}", "--eval", f"sv={swedish}"]
    command += ["--align-layer", "2", "--align", f"sv={swedish}", "--map", f"layer=3,map={name},language=en"]
    command += ["--epochs", "2", "--step-tokens", "128", "--out", str(tmp_path / "out")]
    assert run([*command, "--mesh", mesh.address]) == 0, capfd.readouterr().err
    record = json.loads((tmp_path / "out" / "results.json").read_text())
    trained = mesh.trainer.get_job(record["job"])
    assert trained.spec.adversarial_alignment.layer == 2
    assert {"alignment_loss", "discriminator_accuracy"} <= set(trained.latest)
    job = mesh.trainer.wait_for_job(mesh.trainer.evaluate(trained.checkpoint, {"sv": _stored(mesh)}).name)
    assert _accuracy(job) == _accuracy(trained)
    transform = trained.provenance["transform"]
    edit = Intervention(2, linear_map=LinearMap(transform, transform))
    plain, aligned = (
        mesh.encoder.encode(["Katten sover."], model=trained.checkpoint, layers=[2], interventions=edits).array
        for edits in ((), (edit,))
    )
    assert 0 < np.abs(plain - aligned).max() < 1
    examples = tagged_sentences(5, "en", 7)
    said = list(mesh.trainer.predict(trained.checkpoint, examples))
    far = [Intervention(4, Shift(np.linspace(-50, 50, 48, dtype=np.float32), 1.0))]
    assert list(mesh.trainer.predict(trained.checkpoint, examples, language_interventions={"sv": far})) == said
    assert list(mesh.trainer.predict(trained.checkpoint, examples, language_interventions={"en": far})) != said


def test_a_model_is_extended_by_words(
    mesh: babelscope.LocalMesh, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    """The command on a .vec file; the encoder serves the model, with the vectors as its embeddings of the words."""
    rows = np.random.default_rng(0).normal(size=(2, 48)).astype(np.float32)
    words = ("Zaunkönig", "нырять")
    lines = [f"{word} {' '.join(map(str, row.tolist()))}" for word, row in zip(words, rows, strict=True)]
    (tmp_path / "de.vec").write_text("\n".join(["2 48", *lines]) + "\n")
    command = ["models", "extend", "tiny", "--vectors", str(tmp_path / "de.vec"), "--out", str(tmp_path / "out")]
    assert run([*command, "--mesh", mesh.address]) == 0, capfd.readouterr().err
    record = json.loads((tmp_path / "out" / "results.json").read_text())
    assert record["provenance"]["added"] == "2"
    before, after = (mesh.encoder.get_model(name) for name in ("tiny", record["checkpoint"]))
    assert after.vocabulary_size == before.vocabulary_size + 2
    [text] = mesh.encoder.tokenize(["Ein Zaunkönig will нырять"], model=record["checkpoint"])
    assert {before.vocabulary_size, before.vocabulary_size + 1} <= set(text.token_ids)
    assert mesh.trainer.get_checkpoint(record["checkpoint"]).task == "extend"
    narrow = mesh.datagen.put_dataset([Example("1", "Haus 0.5 0.25")]).name
    failed = mesh.trainer.wait_for_job(mesh.trainer.extend_model("tiny", narrow).name)
    assert (failed.state, "Expected vectors of 48 numbers" in failed.reason) == ("failed", True)

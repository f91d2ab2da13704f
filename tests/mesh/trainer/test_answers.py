"""What `evaluate` chooses, and the format in which `predict` writes the answers of a task."""

import csv
import json
from pathlib import Path

import babelscope
import pytest
from babelscope.cli import run
from babelscope.corpora import Options, read_examples
from babelscope.corpora.writers import write_examples

from tests.support.tagged import tagged_sentences
from tests.support.task_examples import sentences


def test_answers_are_written_as_what_holds_them(mesh: babelscope.LocalMesh, tmp_path: Path) -> None:
    """Entities of a CoNLL-U corpus, and parts of speech of an IOB2 corpus, which held them nowhere."""
    trees, entities = tmp_path / "trees.conllu", tmp_path / "entities.iob2"
    write_examples(sentences(12), trees, format="conllu")
    write_examples(sentences(12), entities, format="iob2")
    for task, train, other in (("ner", entities, trees), ("pos", trees, entities)):
        command = ["train", "--task", task, "--model", "tiny", "--train", f"en={train}", "--epochs", "0.5"]
        assert run([*command, "--out", str(tmp_path / task), "--mesh", mesh.address]) == 0
        checkpoint = json.loads((tmp_path / task / "results.json").read_text())["checkpoint"]
        said = tmp_path / f"said-{task}.{'iob2' if task == 'ner' else 'conllu'}"
        command = ["predict", checkpoint, "--input", str(other), "--output", str(said), "--language", "en"]
        assert run([*command, "--mesh", mesh.address]) == 0
        asked = list(read_examples(other, options=Options(language="en")))
        direct = [each.content for each in mesh.trainer.predict(checkpoint, asked)]
        assert [each.content for each in read_examples(said)] == direct


def test_the_factor_of_a_shift_is_chosen_on_dev_and_lower_layers_are_another_models(
    mesh: babelscope.LocalMesh, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    files = {name: tmp_path / f"{name}.conllu" for name in ("train", "dev", "test")}
    for seed, path in enumerate(files.values()):
        write_examples(tagged_sentences(30, "en", seed), path, format="conllu")
    at = ["--mesh", mesh.address]
    command = ["train", "--task", "pos", "--model", "tiny", "--train", f"en={files['train']}", "--epochs", "8"]
    command += ["--eval", f"sv={files['test']}", "--learning-rate", "2e-3", "--step-tokens", "128"]
    assert run([*command, "--out", str(tmp_path / "tuned"), *at]) == 0
    record = json.loads((tmp_path / "tuned" / "results.json").read_text())
    checkpoint, [plain] = record["checkpoint"], [each for each in record["figures"] if each["part"] == "eval"]
    texts = {"en": "the cat sleeps", "de": "12 345 6"}
    for language, text in texts.items():
        (tmp_path / f"{language}.txt").write_text(f"{text}\n" * 3)
    command = ["means", "--model", checkpoint, *(f"--corpus={each}={tmp_path / each}.txt" for each in texts)]
    assert run([*command, "--out", str(tmp_path / "means"), *at]) == 0
    shift = f"layer=4,from={tmp_path}/means/means-en.npz,to={tmp_path}/means/means-de.npz"
    command = ["evaluate", checkpoint, "--eval", f"sv={files['test']}", "--shift", shift, "--alphas", "100,0"]

    def table(name: str, *more: str) -> list[dict[str, str]]:
        assert run([*command, *more, "--out", str(tmp_path / name), *at]) == 0
        with (tmp_path / name / "results.csv").open(newline="") as file:
            return [row for row in csv.DictReader(file) if row["metric"] == "accuracy"]

    rows = table("chosen", "--dev", f"sv={files['dev']}")
    assert len(rows) == 3  # both factors on the development set, the better one on the test set
    [chosen] = [row for row in rows if row["kind"] == "evaluate/eval"]
    assert float(chosen["value"]) == plain["value"]
    figures = json.loads((tmp_path / "chosen" / "results.json").read_text())["figures"]
    assert {each["alpha"] for each in figures if each["part"] == "eval"} == {0.0}
    command = command[:4]
    for alone, other in (("--alphas=0,1", "--dev and --alphas"), ("--lower=tiny", "--lower and --lower-layer")):
        assert run([*command, alone, *at]) == 2
        assert f"Expected {other} together" in capfd.readouterr().err
    [grafted] = table("grafted", "--lower", "tiny", "--lower-layer", "4")
    [own] = table("own", "--lower", checkpoint, "--lower-layer", "4")
    assert float(own["value"]) == plain["value"] != float(grafted["value"])

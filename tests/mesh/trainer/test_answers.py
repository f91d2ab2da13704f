"""The format in which `predict` writes the answers of a task."""

import json
from pathlib import Path

import babelscope
from babelscope.cli import run
from babelscope.corpora import Options, read_examples
from babelscope.corpora.writers import write_examples

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

"""Files that a command cannot train on: what is wrong is said with the name of the file."""

import re
from pathlib import Path

import babelscope
import pytest
from babelscope.cli import run


def test_what_is_wrong_with_a_file_names_it(
    mesh: babelscope.LocalMesh, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "empty.conllu").write_text("")
    (tmp_path / "plain.txt").write_text("The dog sleeps.\n")
    command = ["train", "--task", "pos", "--model", "tiny", "--mesh", mesh.address]
    assert run([*command, "--train", f"en={tmp_path / 'empty.conllu'}"]) == 1
    assert f"{tmp_path / 'empty.conllu'}: Expected at least one example, but got none" in capfd.readouterr().err
    assert run([*command, "--train", f"en={tmp_path / 'plain.txt'}"]) == 1
    error = capfd.readouterr().err
    assert re.search(r"dataset datasets/[0-9a-f]{64} \(plain\.txt\): Expected examples of kind sentence", error), error

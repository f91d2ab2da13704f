"""`--shift` and `--map`: what would change nothing is refused before anything is started."""

from pathlib import Path

import numpy as np
import pytest
from babelscope.cli import run

ONE = ["compare", "--parallel", "en=CORPUS", "--parallel", "fr=CORPUS"]
PROJECT = ["project", "--corpus", "en=CORPUS", "--corpus", "fr=CORPUS", "--out", "DIR"]
RETRIEVE = ["retrieve", "--parallel", "en=CORPUS", "--parallel", "fr=CORPUS"]
WORDS = ["retrieve", "--gold", "PAIRS", "--corpus", "en=CORPUS", "--corpus", "fr=CORPUS"]
VECTORS = ["retrieve", "--gold", "PAIRS", "--words", "en=en.vec", "--words", "fr"]
MEANS = ["means", "--corpus", "en=CORPUS", "--corpus", "fr=CORPUS", "--out", "DIR"]
ENCODE = ["encode", "--input", "CORPUS", "--out", "DIR"]


@pytest.fixture
def files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("corpus.txt").write_text("a b\n", encoding="utf-8")
    Path("pairs.tsv").write_text("dog\tchien\n", encoding="utf-8")


@pytest.mark.parametrize(
    ("command", "expected"),
    [
        *[(each, "a language of the texts, en, fr,") for each in (ONE, PROJECT, RETRIEVE, WORDS, VECTORS, MEANS)],
        ([*ENCODE, "--language", "en"], "a language of the texts, en,"),
        (ENCODE, "no language, as the texts have none,"),
    ],
    ids=lambda value: "" if isinstance(value, str) else value[0],
)
@pytest.mark.parametrize("option", ["--shift", "--map"])
@pytest.mark.usefixtures("files")
def test_an_edit_of_a_language_without_texts_is_refused(
    capsys: pytest.CaptureFixture[str], command: list[str], expected: str, option: str
) -> None:
    names = {"CORPUS": "corpus.txt", "PAIRS": "pairs.tsv", "DIR": "out"}
    arguments = [value for each in command for value in [names.get(each, each.replace("CORPUS", "corpus.txt"))]]
    edit = "layer=1,from=vectors/a,to=vectors/b" if option == "--shift" else "layer=1,map=maps/a"
    assert run([*arguments, "--model", "m", option, f"{edit},language=de"]) == 2
    assert f"Expected {expected} in {option}, but got language=de" in " ".join(capsys.readouterr().err.split())


@pytest.mark.parametrize(
    ("edit", "problem"),
    [
        (
            ["--shift", "layer=0,from=vectors/a,to=vectors/b"],
            "Expected --shift only of languages that are encoded, but en has vectors",
        ),
        (["--map", "layer=1,map=en.map,language=en"], "Expected layer=0 and a map alone in --map of vectors"),
        (["--map", "layer=0,map=en.map,positions=all"], "Expected layer=0 and a map alone in --map of vectors"),
        (["--map", "layer=0,map=maps/a"], "Expected the file of a map, as vectors are mapped here, in --map"),
    ],
)
@pytest.mark.usefixtures("files")
def test_vectors_are_moved_by_files_of_maps_alone(
    capsys: pytest.CaptureFixture[str], edit: list[str], problem: str
) -> None:
    Path("en.vec").write_text("1 2\ndog 1 0\n", encoding="utf-8")
    Path("fr.vec").write_text("1 2\nchien 1 0\n", encoding="utf-8")
    given = ["--gold", "pairs.tsv", "--words", "en=en.vec", "--words", "fr=fr.vec"]
    assert run(["retrieve", *given, *edit]) == 2
    assert problem in " ".join(capsys.readouterr().err.split())


@pytest.mark.parametrize("content", [b"", b"text", b"PK\x03\x04", None])
def test_a_file_that_holds_no_means_is_named(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], content: bytes | None
) -> None:
    path, corpus = tmp_path / "some.npz", tmp_path / "corpus.txt"
    corpus.write_text("a b\n", encoding="utf-8")
    if content is None:
        np.savez(path, other=np.zeros(3))
    else:
        path.write_bytes(content)
    given = ["--input", str(corpus), "--output", str(tmp_path / "x.npz"), "--model", "m"]
    assert run(["encode", *given, "--shift", f"layer=1,from={path},to={path}"]) == 2
    assert "some.npz" in "".join(capsys.readouterr().err.split())

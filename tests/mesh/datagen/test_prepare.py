"""Preparation by the command line: lines to a vocabulary, sub-words, streams and anchors, through a server."""

import csv
import io
from collections.abc import Iterator
from pathlib import Path

import babelscope
import pytest
from babelscope.cli import run
from babelscope.corpora import read_examples
from tokenizers import Tokenizer

ENGLISH = ["«The bank» is near the river…", "The river is in Berlin.", "The bank in Berlin."] * 10
GERMAN = ["Die Bank ist am Fluss.", "Der Fluss ist in Berlin.", "Die Bank in Berlin."] * 2


@pytest.fixture(scope="module")
def mesh(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    store = tmp_path_factory.mktemp("prepare") / "store"
    with babelscope.local(("datagen",), store=store) as opened:
        yield opened.address


@pytest.fixture
def inputs(tmp_path: Path) -> list[str]:
    words: list[str] = []
    for language, lines in (("en", ENGLISH), ("de", GERMAN)):
        path = tmp_path / f"{language}.txt"
        path.write_text("\n".join(lines) + "\n", encoding="utf-8")
        words += ["--input", f"{language}={path}"]
    return words


def lines(path: Path) -> list[str]:
    return [str(example.content) for example in read_examples(path)]


def test_from_lines_to_streams(
    mesh: str, inputs: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    to = ["--mesh", mesh]
    joint, text = tmp_path / "tokenizer.json", f"{tmp_path}/{{language}}.out"
    assert (
        run(["prepare", "vocabulary", *inputs, "--size", "80", "--exponent", "0.5", "--output", str(joint), *to]) == 0
    )
    stored = capsys.readouterr().out.strip()
    assert stored.startswith("datasets/")
    tokenizer = Tokenizer.from_file(str(joint))
    assert tokenizer.get_vocab_size() <= 80

    words = ["prepare", "text", *inputs, "--output", text, "--total", "20", "--exponent", "0", "--no-repeat", *to]
    assert run(words) == 0
    english, german = lines(tmp_path / "en.out"), lines(tmp_path / "de.out")
    assert (len(english), len(german)) == (14, 6)  # German has no more
    assert set(english) <= {'" The bank " is near the river ...', "The river is in Berlin .", "The bank in Berlin ."}

    for vocabulary in (str(joint), stored):
        cut = ["prepare", "text", *inputs, "--output", text, "--vocabulary", vocabulary, *to]
        assert run(cut) == 0
        pieces = lines(tmp_path / "de.out")
        assert pieces[0].split() == tokenizer.encode("Die Bank ist am Fluss .").tokens
        assert run([*cut, "--stream", "16", "--separator", "[SEP]", "--padding", "[PAD]"]) == 0
        streams = [one.split() for one in lines(tmp_path / "de.out")]
        assert all(len(one) == 16 for one in streams)
        joined = [token for one in streams for token in one if token != "[PAD]"]
        assert joined == [token for piece in pieces for token in (*piece.split(), "[SEP]")]


def test_anchors_of_words_and_of_vocabularies(
    mesh: str, inputs: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    to = ["--mesh", mesh]
    each = f"{tmp_path}/v.{{language}}.json"
    words = ["prepare", "vocabulary", *inputs, "--size", "60", "--separate", "--kind", "wordpiece", "--output", each]
    assert run([*words, *to]) == 0
    assert sorted(path.name for path in tmp_path.glob("v.*")) == ["v.de.json", "v.en.json"]
    capsys.readouterr()
    found = []
    for options in ([], ["--vocabulary", each], ["--vocabulary", each, "--prefixed"]):
        assert run(["prepare", "anchors", *inputs, *options, *to]) == 0
        [row] = csv.DictReader(io.StringIO(capsys.readouterr().out), delimiter="\t")
        found.append(row)
    assert [row["languages"] for row in found] == ["de+en"] * 3
    # Words: in, Berlin and the full stop.
    assert (found[0]["shared_types"], found[0]["types"]) == ("3", "17")
    assert float(found[1]["type_share"]) > 0 == float(found[2]["type_share"])
    assert found[2]["shared_tokens"] == "0"


@pytest.mark.parametrize(
    ("words", "problem"),
    [
        (["text", "--output", "x.txt"], "Expected {language} in --output"),
        (["text", "--output", "missing/{language}.txt"], "a folder that exists"),
        (["vocabulary", "--size", "9", "--separate", "--output", "v.json"], "Expected {language} in --output"),
        (["vocabulary", "--size", "9", "--kind", "unigram", "--output", "v.json"], "one of bpe, wordpiece"),
    ],
)
def test_wrong_usage(
    words: list[str], problem: str, inputs: list[str], mesh: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["prepare", *words, *inputs, "--mesh", mesh]) == 2
    assert problem in capsys.readouterr().err


def test_what_the_server_refuses_leaves_no_file(
    mesh: str, inputs: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    vocabulary = ["prepare", "vocabulary", *inputs, "--output", str(tmp_path / "v.json"), "--mesh", mesh]
    assert run([*vocabulary, "--size", "9"]) == 1
    assert "options[size]: Expected at least" in capsys.readouterr().err
    (tmp_path / "broken.json").write_text("{", encoding="utf-8")
    text = ["prepare", "text", *inputs, "--output", f"{tmp_path}/{{language}}.out", "--mesh", mesh]
    assert run([*text, "--vocabulary", str(tmp_path / "broken.json")]) == 1
    assert "cannot be read" in capsys.readouterr().err
    (tmp_path / "de.txt").write_bytes(b"gut\n\xff\n")
    assert run(text) == 1
    assert "de.txt:2: Expected UTF-8" in capsys.readouterr().err
    assert not [
        path for path in tmp_path.iterdir() if path.name.endswith((".out", ".partial")) or path.name == "v.json"
    ]

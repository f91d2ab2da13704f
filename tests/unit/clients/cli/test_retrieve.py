"""`babelscope retrieve`: options that do not go together are refused before anything is started."""

from pathlib import Path

import pytest
from babelscope.cli import run


@pytest.fixture
def pairs(tmp_path: Path) -> str:
    path = tmp_path / "en-de.tsv"
    path.write_text("dog\tHund\ncat\tKatze\n", encoding="utf-8")
    return str(path)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--words", "en"], "Expected --words and --corpus only with --gold FILE"),
        (["--corpus", "en=x"], "Expected --words and --corpus only with --gold FILE"),
        (["--gold", "PAIRS", "--model", "m", "--corpus", "en=x"], "but got en=x"),
        (["--gold", "PAIRS", "--parallel", "en=x"], "either --parallel or --gold, but got both"),
        (["--gold", "PAIRS", "--model", "m"], "--words LANGUAGE[=FILE] twice"),
        (["--gold", "PAIRS", "--model", "m", "--words", "en", "--words", "en"], "but got en, en"),
        (["--gold", "PAIRS", "--words", "en", "--words", "de"], "Expected --model NAME where texts or words"),
        (["--model", "m", "--parallel", "en=x"], "--parallel LANGUAGE=FILE at least twice"),
        (
            ["--max-words", "5", "--parallel", "en=x"],
            "--max-words, --match-case and --embedding-table only with --gold FILE",
        ),
        (["--gold", "PAIRS", "--words", "en", "--words", "de", "--match-case"], "--match-case only with --corpus"),
        (
            ["--gold", "PAIRS", "--model", "m", "--corpus", "en=x", "--corpus", "de=x", "--pooling", "cls"],
            "Expected --pooling word_mean or word_first with --corpus, but got cls",
        ),
        (
            ["--gold", "PAIRS", "--model", "m", "--words", "en", "--corpus", "de=PAIRS"],
            "but got --words en and --corpus de, which leaves the source open",
        ),
        (["--gold", "PAIRS", "--index", "flat"], "Expected one of exact, ivf, hnsw, but got 'flat'"),
    ],
)
def test_what_does_not_go_together_is_refused(
    pairs: str, capsys: pytest.CaptureFixture[str], arguments: list[str], message: str
) -> None:
    assert run(["retrieve", *(pairs if each == "PAIRS" else each for each in arguments)]) == 2
    assert message in " ".join(capsys.readouterr().err.split())


def test_a_file_that_is_no_dictionary_is_told_by_its_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "pairs.tsv"
    path.write_text("dog\n", encoding="utf-8")
    assert run(["retrieve", "--gold", str(path), "--words", "en", "--words", "de", "--model", "m"]) == 1
    assert "pairs.tsv:1" in "".join(capsys.readouterr().err.split())

"""Files that commands write: one, or one a language; whole, or none."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from babelscope.cli.writing import write_corpus
from babelscope.corpora import Example, TextPair, read_examples
from babelscope.errors import CorpusError

EXAMPLES = [Example(str(number), f"text {number}", language) for number in range(1000) for language in ("en", "fr", "")]


def test_one_file_a_language_while_they_come(tmp_path: Path) -> None:
    assert write_corpus(iter(EXAMPLES), f"{tmp_path}/{{language}}.txt", None) == 3000
    for language, name in (("en", "en"), ("fr", "fr"), ("", "und")):
        found = [one.content for one in read_examples(tmp_path / f"{name}.txt")]
        assert found == [one.content for one in EXAMPLES if one.language == language]


def test_several_languages_in_one_file_only_where_rows_tell_them(tmp_path: Path) -> None:
    assert write_corpus(iter(EXAMPLES), str(tmp_path / "all.tsv"), "tsv") == 3000
    with pytest.raises(CorpusError, match=r"put \{language\} in --output"):
        write_corpus(iter(EXAMPLES), str(tmp_path / "all.txt"), None)
    with pytest.raises(CorpusError, match="at least one example"):
        write_corpus(iter([]), str(tmp_path / "all.txt"), None)
    assert [path.name for path in tmp_path.iterdir()] == ["all.tsv"]


@pytest.mark.parametrize("at", [0, 1, 2999])
def test_an_example_that_does_not_fit_leaves_no_file(tmp_path: Path, at: int) -> None:
    examples = [*EXAMPLES[:at], Example("odd", TextPair("a", "b"), "en"), *EXAMPLES[at:], *EXAMPLES]
    with pytest.raises(CorpusError, match="'odd'"):
        write_corpus(iter(examples), f"{tmp_path}/{{language}}.txt", "lines")
    assert not list(tmp_path.iterdir())


def test_a_source_that_breaks_leaves_no_file(tmp_path: Path) -> None:
    def broken() -> Iterator[Example]:
        yield from EXAMPLES
        raise OSError("the disk is gone")

    with pytest.raises(OSError, match="the disk is gone"):
        write_corpus(broken(), f"{tmp_path}/{{language}}.txt", "lines")
    assert not list(tmp_path.iterdir())

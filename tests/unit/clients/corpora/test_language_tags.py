"""Readers find a language that is asked for in every spelling, and keep the tag as it was asked for."""

from pathlib import Path

import pytest
from babelscope.corpora import Options, read_examples, read_parallel, read_texts
from babelscope.data.examples import Example
from babelscope.errors import CorpusError

from tests.support.language_tags import SPELLINGS, all_spellings

CONLLU = """# sent_id = s
1	我	我	PRON	_	_	2	nsubj	_	SpaceAfter=No
2	爱	爱	VERB	_	_	0	root	_	SpaceAfter=No
3	书	书	NOUN	_	_	2	obj	_	SpaceAfter=No

"""


PLAIN = all_spellings(regions=False)
"""Spellings that mean the language without a region, for a region is another tag: `zh-CN` asks for no column `zh`."""


def test_columns_of_a_table(tmp_path: Path) -> None:
    path = tmp_path / "many.tsv"
    path.write_text("\t".join(SPELLINGS) + "\n" + "\t".join(SPELLINGS) + "\n", encoding="utf-8")
    for short, tag in PLAIN:
        assert [(one.text, one.language) for one in read_texts(path, language=tag)] == [(short, tag)]
    with pytest.raises(CorpusError, match="none is named 'zh-CN'"):
        read_texts(path, language="zh-CN")


def test_columns_named_in_any_spelling(tmp_path: Path) -> None:
    path = tmp_path / "many.tsv"
    for short, name in PLAIN:
        path.write_text(f"{name}\txh\nyes\tno\n", encoding="utf-8")
        for asked in (short, short.upper(), *SPELLINGS[short]):
            assert [one.text for one in read_texts(path, language=asked)] == ["yes"], (name, asked)


@pytest.mark.parametrize(
    ("line", "language", "text"),
    [
        ("en\tfr", "eng", "b"), ("eng\tfra", "en", "b"), ("fr\ten", "eng_Latn", "c"), ("en\tde\tfr", "FRA", "d"),
        ("in the house\tno", "id", "no"), ("in\trumah", "id", "rumah"), ("ger\tein Wort", "de", "ein Wort"),
    ],
)  # fmt: skip
def test_a_first_line_is_a_header_where_its_fields_are_tags(
    tmp_path: Path, line: str, language: str, text: str
) -> None:
    path = tmp_path / "many.tsv"
    path.write_text(f"{line}\n" + "\t".join("bcd"[: line.count("\t") + 1]) + "\n", encoding="utf-8")
    assert next(read_examples(path, format="tsv", options=Options(language=language))).content == text


def test_rows_of_xnli(tmp_path: Path) -> None:
    path = tmp_path / "xnli.dev.tsv"
    rows = [f"{short}\tneutral\t{short} premise\thypothesis" for short in SPELLINGS]
    path.write_text("\n".join(["language\tgold_label\tsentence1\tsentence2", *rows]) + "\n", encoding="utf-8")
    for short, tag in PLAIN:
        found = list(read_examples(path, options=Options(language=tag)))
        assert [one.language for one in found] == [short], tag


def test_trees_are_the_same_and_keep_the_tag(tmp_path: Path) -> None:
    path = tmp_path / "trees.conllu"
    path.write_text(CONLLU, encoding="utf-8")

    def read(tag: str) -> Example:
        (example,) = read_examples(path, options=Options(language=tag))
        return example

    plain = read("zh").content
    for _, tag in all_spellings():
        found = read(tag)
        assert (found.content, found.language) == (plain, tag)


def test_sides_of_tatoeba_keep_the_tag_of_their_name(tmp_path: Path) -> None:
    for others in SPELLINGS.values():
        for tag in (each for each in others if len(each) == 3):
            path = tmp_path / f"tatoeba.{tag}-xxx.{tag}"
            path.write_text("one\n", encoding="utf-8")
            assert [(one.id, one.language) for one in read_examples(path)] == [(f"{tag}-xxx:1", tag)]
            assert [one.language for one in read_texts(path, language=tag.upper())] == [tag.upper()]


def test_parallel_files_are_asked_for_in_any_spelling(tmp_path: Path) -> None:
    path = tmp_path / "many.tsv"
    path.write_text("id\ten\tzh\n1\thello\t你好\n", encoding="utf-8")
    for english in (tag for short, tag in PLAIN if short == "en"):
        for chinese in (tag for short, tag in PLAIN if short == "zh"):
            found = read_parallel({english: path, chinese: path})
            left, right = found.texts[english], found.texts[chinese]
            assert [(one.text, two.text) for one, two in zip(left, right, strict=True)] == [("hello", "你好")]

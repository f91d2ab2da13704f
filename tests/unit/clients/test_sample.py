"""The bundled parallel sample: what a machine can say about it."""

import re
import unicodedata
from importlib.resources import files

import pytest

SCRIPTS = {
    "en": {"LATIN"},
    "es": {"LATIN"},
    "de": {"LATIN"},
    "ru": {"CYRILLIC"},
    "ar": {"ARABIC"},
    "hi": {"DEVANAGARI"},
    "zh": {"CJK"},
    "ja": {"CJK", "HIRAGANA", "KATAKANA", "KATAKANA-HIRAGANA", "IDEOGRAPHIC"},  # ー is of both kana, 々 of Han
}
ENDS = {
    "en": '.?!"',
    "es": ".?!»",
    "de": ".?!“",
    "ru": ".?!»",
    "ar": ".؟!»",
    "hi": "।?!”",
    "zh": "。？！”",
    "ja": "。？！」",
}
FOREIGN_MARKS = {"ar": ",;?", "hi": ".", "zh": ',.?!;"', "ja": ',.?!;"'}

RAW = (files("babelscope") / "samples" / "sample.tsv").read_bytes()
HEADER, *ROWS = [line.split("\t") for line in RAW.decode("utf-8").removesuffix("\n").split("\n")]
TEXTS = {language: [row[column] for row in ROWS] for column, language in enumerate(SCRIPTS, start=1)}

every_language = pytest.mark.parametrize("language", SCRIPTS)


def scripts(text: str) -> set[str]:
    """The first words of the Unicode names of the text's letters and marks: CYRILLIC, CJK, ..."""
    return {unicodedata.name(char).split()[0] for char in text if unicodedata.category(char)[0] in "LM"}


def test_file() -> None:
    assert not RAW.startswith(b"\xef\xbb\xbf")
    assert b"\r" not in RAW
    assert RAW.endswith(b"\n")


def test_columns() -> None:
    assert tuple(HEADER) == ("id", *SCRIPTS)
    assert {len(row) for row in ROWS} == {len(HEADER)}


def test_ids() -> None:
    assert [row[0] for row in ROWS] == [f"s{number:03d}" for number in range(1, 201)]


@every_language
def test_cells_are_clean(language: str) -> None:
    for text in TEXTS[language]:
        assert text, "empty"
        assert text == " ".join(text.split()), "stray space"
        assert unicodedata.normalize("NFC", text) == text
        assert not {"Cc", "Cf", "Co", "Cn"} & {unicodedata.category(char) for char in text}, "invisible characters"


@every_language
def test_no_sentence_twice(language: str) -> None:
    assert len(set(TEXTS[language])) == len(ROWS)


@every_language
def test_script(language: str) -> None:
    for text in TEXTS[language]:
        assert scripts(text), text
        assert scripts(text) <= SCRIPTS[language], text


def test_japanese_has_kana() -> None:
    assert all(scripts(text) & {"HIRAGANA", "KATAKANA"} for text in TEXTS["ja"])


@every_language
def test_punctuation(language: str) -> None:
    for text in TEXTS[language]:
        assert text[-1] in ENDS[language], text
        assert not set(text) & set(FOREIGN_MARKS.get(language, "")), text


def test_spanish_opens_what_it_closes() -> None:
    for text in TEXTS["es"]:
        assert text.count("¿") == text.count("?"), text
        assert text.count("¡") == text.count("!"), text


def test_digits_agree_across_languages() -> None:
    for row in ROWS:
        assert len({tuple(sorted(re.findall(r"\d+", text))) for text in row[1:]}) == 1, row


def test_english_lengths() -> None:
    words = [len(text.split()) for text in TEXTS["en"]]
    assert min(words) == 4
    assert max(words) == 30
    assert 13 <= sum(words) / len(words) <= 15

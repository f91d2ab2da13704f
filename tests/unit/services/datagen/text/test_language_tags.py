"""Words, segments and normal forms by language tag: the same in every spelling."""

from pathlib import Path

import pytest
from babelscope.corpora import read_examples

from services.datagen.preparation.normalise import normalise
from services.datagen.preparation.segment import tokenise
from services.runtime.text.words import fold, with_case_of
from tests.support.language_tags import all_spellings

LINE = "I'm «İyi» l'eau, d'una Mr. Big: 我来到北京清华大学。 今日は กี่ชั่วโมง مرحبا गाँव 1,5 % – “x”"


@pytest.mark.parametrize(("short", "tag"), all_spellings())
def test_all_spellings_give_the_same_words(short: str, tag: str) -> None:
    assert tokenise(LINE, tag) == tokenise(LINE, short)
    assert normalise(LINE, tag) == normalise(LINE, short)
    assert fold(LINE, tag) == fold(LINE, short)
    assert with_case_of("AB", "ii", tag) == with_case_of("AB", "ii", short)


def test_thai_of_a_tatoeba_file_keeps_its_marks(tmp_path: Path) -> None:
    path = tmp_path / "tatoeba.tha-eng.tha"
    path.write_text("กี่ชั่วโมง\n", encoding="utf-8")
    (example,) = read_examples(path)
    assert example.language == "tha"
    assert isinstance(example.content, str)
    assert tokenise(example.content, example.language) == ["กี่", "ชั่", "ว", "โ", "ม", "ง"]


@pytest.mark.parametrize("tag", ["zh", "cmn", "zho", "zh_CN", "ZH", "zh-Hant"])
def test_chinese_goes_to_jieba(tag: str) -> None:
    assert tokenise("我来到北京清华大学。", tag) == ["我", "来到", "北京", "清华大学", "。"]


@pytest.mark.parametrize("tag", ["yue", "wuu", "lzh", "und-Hani", "jpn", "tha", "lao", "khm", "mya"])
def test_other_unspaced_languages_are_cut_by_characters(tag: str) -> None:
    assert tokenise("我来到", tag) == ["我", "来", "到"]


@pytest.mark.parametrize("tag", ["zh", "cmn", "jpn", "yue", "zh_TW"])
def test_full_width_punctuation_stays(tag: str) -> None:
    assert normalise("你好，世界。", tag) == "你好，世界。"


@pytest.mark.parametrize("tag", ["tr", "tur", "TR", "tr_TR", "az", "aze", "azb-Latn", "tt", "tat", "crh", "kk-Latn"])
def test_turkic_languages_have_a_dotless_i(tag: str) -> None:
    assert fold("IİI", tag) == "ıiı"
    assert with_case_of("AB", "iı", tag) == "İI"
    assert with_case_of("Ab", "iı", tag) == "İı"


@pytest.mark.parametrize("tag", ["en", "eng", "de", "uz", "ug", "xx", "l1", ""])
def test_others_have_not(tag: str) -> None:
    assert fold("II", tag) == "ii"
    assert with_case_of("AB", "ii", tag) == "II"


@pytest.mark.parametrize("tag", ["xx", "l1", "en2", "und", ""])
def test_what_is_no_language_has_no_rule_of_one(tag: str) -> None:
    assert tokenise("The cat, here.", tag) == ["The", "cat", ",", "here", "."]
    assert normalise("ab , c", tag) == normalise("ab , c", "xx")

"""Language tags: what they mean in every spelling, and that nothing breaks on what is none."""

import pytest
from babelscope.data.languages import Language, read_tag, same_language, spelling
from hypothesis import given
from hypothesis import strategies as st

from tests.support.language_tags import REGIONS, all_spellings


@pytest.mark.parametrize(
    ("tag", "canonical", "language", "base", "script"),
    [
        ("zh", "zh", "zh", "zh", "Hans"),
        ("cmn", "zh", "zh", "zh", "Hans"),
        ("zho", "zh", "zh", "zh", "Hans"),
        ("zh_CN", "zh-CN", "zh", "zh", "Hans"),
        ("ZHO-hant", "zh-Hant", "zh", "zh", "Hant"),
        ("zh_Hant_TW", "zh-TW", "zh", "zh", "Hant"),
        ("zh-TW", "zh-TW", "zh", "zh", "Hant"),
        ("zh-Latn-pinyin", "zh-Latn-pinyin", "zh", "zh", "Latn"),
        ("yue", "yue", "yue", "zh", "Hant"),
        ("zh-yue", "yue", "yue", "zh", "Hant"),
        ("arz", "arz", "arz", "ar", "Arab"),
        ("acm", "acm", "acm", "ar", "Arab"),
        ("acq_Arab", "acq", "acq", "ar", "Arab"),
        ("ajp", "ajp", "ajp", "ar", "Arab"),
        ("ayl-LY", "ayl-LY", "ayl", "ar", "Arab"),
        ("cjy", "cjy", "cjy", "zh", "Hans"),
        ("mnp", "mnp", "mnp", "zh", "Hans"),
        ("pbt", "pbt", "pbt", "ps", "Arab"),
        ("arb_Arab", "ar", "ar", "ar", "Arab"),
        ("swh", "sw", "sw", "sw", "Latn"),
        ("srp", "sr", "sr", "sr", "Cyrl"),
        ("hbs", "sr-Latn", "sr", "sr", "Latn"),
        ("hr", "hr", "hr", "hr", "Latn"),
        ("nb", "nb", "nb", "nb", "Latn"),
        ("nn", "nn", "nn", "nn", "Latn"),
        ("azb", "azb", "azb", "az", "Arab"),
        ("uzs_Arab", "uzs", "uzs", "uz", "Arab"),
        ("mvf", "mvf", "mvf", "mn", "Mong"),
        ("iw", "he", "he", "he", "Hebr"),
        ("in", "id", "id", "id", "Latn"),
        ("tgl", "fil", "fil", "fil", "Latn"),
        ("pa-PK", "pa-PK", "pa", "pa", "Arab"),
        ("jpn-Latn", "ja-Latn", "ja", "ja", "Latn"),
        ("en_US.UTF-8", "en-US", "en", "en", "Latn"),
        ("zh_CN.GB18030", "zh-CN", "zh", "zh", "Hans"),
        ("sr_RS@latin", "sr-Latn-RS", "sr", "sr", "Latn"),
        ("sr-Latn-RS.UTF-8@latin", "sr-Latn-RS", "sr", "sr", "Latn"),
        ("uz_UZ@cyrillic", "uz-Cyrl-UZ", "uz", "uz", "Cyrl"),
        ("de_DE@euro", "de-DE", "de", "de", "Latn"),
        ("en_XX", "en", "en", "en", "Latn"),
        ("ja_XX", "ja", "ja", "ja", "Jpan"),
        ("ar_AR", "ar-AR", "ar", "ar", "Arab"),
        ("en-permuted", "en-permuted", "en", "en", "Latn"),
        ("zh-permutedcorpus", "zh-permutedcorpus", "zh", "zh", "Hans"),
    ],
)
def test_tags_and_what_they_mean(tag: str, canonical: str, language: str, base: str, script: str) -> None:
    assert read_tag(tag) == Language(tag, canonical, language, base, script, registered=True)


@pytest.mark.parametrize(
    ("tag", "language", "script"),
    [
        ("", "", ""), ("en2", "en2", ""), ("xx", "xx", ""), ("l1", "l1", ""), ("english", "english", ""),
        ("und", "und", ""), ("und-Hani", "und", "Hani"), ("xx_cyrl", "xx", "Cyrl"), ("x-foo", "x", ""), ("a", "a", ""),
        ("--", "", ""), ("中文", "中文", ""), ("e" * 1000, "e" * 128, ""),
    ],
)  # fmt: skip
def test_what_is_no_language_is_kept_as_it_is(tag: str, language: str, script: str) -> None:
    assert read_tag(tag) == Language(tag, tag, language, language, script, registered=False)


@given(st.text(max_size=40) | st.from_regex(r"[a-zA-Z]{2,3}([-_][A-Za-z0-9]{1,9}){0,4}", fullmatch=True))
def test_reading_never_fails_and_keeps_the_tag(tag: str) -> None:
    found = read_tag(tag)
    assert found.tag == tag
    assert same_language(tag, tag)
    if found.registered:
        assert read_tag(found.canonical).canonical == found.canonical


@pytest.mark.parametrize(("short", "tag"), all_spellings())
def test_all_tags_of_the_shared_data_in_every_spelling(short: str, tag: str) -> None:
    found, plain = read_tag(tag), read_tag(short)
    assert (found.language, found.base, found.script) == (plain.language, plain.base, plain.script)
    region = REGIONS.get(short, short.upper())
    assert found.canonical in {short, f"{short}-{region}"}


@pytest.mark.parametrize(
    "tag",
    [
        "zh", "cmn", "zho", "zh-Hant", "yue", "wuu", "lzh", "ja", "jpn", "th", "tha", "lo", "lao", "km", "khm", "my",
        "mya", "und-Hani",
    ],
)  # fmt: skip
def test_languages_written_without_spaces(tag: str) -> None:
    assert read_tag(tag).unspaced


@pytest.mark.parametrize("tag", ["en", "ko", "kor", "vi", "bo", "ja-Latn", "zh-Latn", "th-Latn", "xx", "l1", ""])
def test_languages_written_with_spaces(tag: str) -> None:
    assert not read_tag(tag).unspaced


@pytest.mark.parametrize(
    ("left", "right", "same"),
    [
        ("zh", "cmn", True), ("zh-Hans", "ZHO", True), ("zh", "zh-Hant", False), ("en", "en-US", False),
        ("en", "en-permuted", False), ("en", "en-permutedwords", False), ("hr", "sr", False), ("ar", "arz", False),
        ("id", "ms", False), ("nb", "no", False), ("xx", "xx", True), ("xx", "XX", False), ("", "en", False),
    ],
)  # fmt: skip
def test_same_languages(left: str, right: str, same: bool) -> None:
    assert same_language(left, right) is same
    assert same_language(right, left) is same


def test_spellings_among_names() -> None:
    assert spelling("cmn", ("id", "zh", "cmn")) == "cmn"
    assert spelling("cmn", ("premise", "zh")) == "zh"
    assert spelling("cmn", ("premise", "", "zh-Hant")) is None
    assert spelling("", ("", "zh")) == ""

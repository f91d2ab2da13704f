"""Normalisation and segmentation: known lines, nothing lost."""

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.datagen.preparation.normalise import _DOTS, normalise
from services.datagen.preparation.segment import tokenise


def test_punctuation_takes_the_form_of_moses() -> None:
    assert normalise("«Hello» – she said…  “quoted” ‘x’ wide", "en") == '"Hello" - she said... "quoted" \'x\' wide'


def test_control_characters_and_white_space_go() -> None:
    assert normalise("\ufeffone\t two\x00\u3000three \n", "en") == "one two three"
    assert normalise("cafe\u0301", "fr") == "café"


def test_chinese_keeps_its_own_punctuation() -> None:
    assert normalise("你好，　世界。", "zh") == "你好， 世界。"


@pytest.mark.parametrize(
    ("language", "text", "words"),
    [
        ("en", "The cat's here, isn't it?", ["The", "cat", "'s", "here", ",", "isn", "'t", "it", "?"]),
        ("fr", "L'eau est froide.", ["L'", "eau", "est", "froide", "."]),
        ("zh", "我来到北京清华大学。", ["我", "来到", "北京", "清华大学", "。"]),
        ("ja", "猫が寝た。", ["猫", "が", "寝", "た", "。"]),
    ],
)
def test_words_and_punctuation_come_apart(language: str, text: str, words: list[str]) -> None:
    assert tokenise(text, language) == words


@pytest.mark.parametrize("language", ["en", "de", "ru", "zh", "ja", "th", "ar", "hi"])
def test_nothing_is_lost_but_white_space(language: str) -> None:
    text = "A 1,5 % 'x' & <b> | [c] Größe Привет 你好世界。 今日は ไทย مرحبا गाँव 😀"
    assert "".join(tokenise(text, language)) == text.replace(" ", "")


@pytest.mark.parametrize(
    ("text", "language", "words"),
    [
        ("ọ̀rọ̀ mi.", "yo", "ọ̀rọ̀ mi ."),
        ("výras̃ eina", "lt", "výras̃ eina"),
        ("می\u200cخواهم بروم", "fa", "می\u200cخواهم بروم"),
        ("Sil\u00adben\u00adtren\u00adnung, ja", "de", "Sil\u00adben\u00adtren\u00adnung , ja"),
        ("co\u00adope\u0301rer", "fr", "co\u00adope\u0301rer"),
        ("ᠮᠣᠩᠭᠣᠯ\u180eᠠ ᠪᠠᠢ\u180eᠨ\u180eᠠ", "mn-Mong", "ᠮᠣᠩᠭᠣᠯ\u180eᠠ ᠪᠠᠢ\u180eᠨ\u180eᠠ"),
        ("שלום\u200f, עולם\u200e.", "he", "שלום\u200f , עולם\u200e ."),
        ("كتاب\u061c في a\u2060b", "ar", "كتاب\u061c في a\u2060b"),
        ("北京 co\u00adop", "zh", "北京 co\u00adop"),
        ("п’ять п'ять, так", "uk", "п’ять п'ять , так"),
        ("п’ять п'ять".replace("'", "ʼ"), "uk", "п’ять пʼять"),
        ('צה"ל צה״ל ג\'ירפה, "שלום"', "he", 'צה"ל צה״ל ג\'ירפה , " שלום "'),
        ("ng'ombe wangu", "sw", "ng'ombe wangu"),
        ("Ankara'da", "tr", "Ankara'da"),
        ("don't don’t", "en", "don 't don ’t"),  # as Moses has it, whatever the apostrophe
        ("l'eau l’eau", "fr", "l' eau l’ eau"),
        ("l'home col·lecció", "ca", "l' home col·lecció"),
        ("ինչո՞ւ է", "hy", "ինչո՞ւ է"),
        ("oʻzbek O'zbekiston", "uz", "oʻzbek O'zbekiston"),
        ("g‘oya o`zbek ‘so‘z’", "uz", "g‘oya o`zbek ‘ so‘z ’"),
        ("Hawai‘i Hawai`i nō", "haw", "Hawai‘i Hawai`i nō"),
        ("mba´e c'hoazh", "gn", "mba´e c'hoazh"),
        ("हिन्दी में।", "hi", "हिन्दी में ।"),
        ("👩‍👩‍👧 🇩🇪 ok", "en", "👩‍👩‍👧 🇩🇪 ok"),
        ("我爱été和Привет。", "zh", "我 爱 été 和 Привет 。"),
        ("'quoted' word", "de", "' quoted ' word"),
        ("a_b http://x", "de", "a _ b http : / / x"),
    ],
)
def test_no_word_is_cut_within(text: str, language: str, words: str) -> None:
    assert tokenise(text, language) == words.split()


@pytest.mark.parametrize(
    ("text", "language"),
    [("Tiếng Việt rất đẹp.", "vi"), ("한국어를 배워요.", "ko"), ("Où êtes-vous ?", "fr"), ("हिन्दी क़लम।", "hi")],
)
def test_decomposed_lines_have_the_words_of_composed_ones(text: str, language: str) -> None:
    apart = tokenise(unicodedata.normalize("NFD", text), language)
    assert [unicodedata.normalize("NFC", word) for word in apart] == [
        unicodedata.normalize("NFC", word) for word in tokenise(unicodedata.normalize("NFC", text), language)
    ]


@given(
    st.text(st.sampled_from("aé\u0301\u0303א\"'’״·.,! \u00ad\u200c\u200f我й1_-"), max_size=20),
    st.sampled_from(["en", "fr", "uk", "he", "zh", "vi"]),
)
def test_nothing_is_lost_of_any_line(text: str, language: str) -> None:
    line = normalise(text, language)
    assert "".join(tokenise(line, language)) == "".join(line.split())


@given(st.text(st.sampled_from('.." <a'), max_size=40), st.sampled_from(["fr", "de", "es", "en"]))
def test_quotes_after_dots_move_as_in_moses(text: str, language: str) -> None:
    from sacremoses import MosesPunctNormalizer

    moses = MosesPunctNormalizer(lang=language).normalize(" ".join(text.split()))
    assert normalise(text, language) == " ".join(moses.split())


MARKS = 250_000


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        pytest.param("." * 1_000_000, "." * 1_000_000, id="dots"),
        pytest.param("a" + "\u0301\u0327" * MARKS, "\u00e1" + "\u0327" * MARKS + "\u0301" * (MARKS - 1), id="marks"),
    ],
)
@pytest.mark.parametrize("language", ["fr", "en"])
def test_long_rows_of_the_same_are_gone_through_once(text: str, expected: str, language: str) -> None:
    """Work that grows with the square of their length would take minutes and hours."""
    assert normalise(text, language) == expected


def test_a_row_of_dots_is_one_match() -> None:
    assert len(_DOTS.findall("." * 1000 + "a" + "." * 1000)) == 2

"""Normalisation and segmentation: known lines, nothing lost."""

import pytest

from services.datagen.preparation.normalise import normalise
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

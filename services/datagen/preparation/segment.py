"""Lines cut into words before sub-words are learnt: Moses for most languages, jieba for Chinese."""

import logging
from functools import lru_cache
from typing import Any

from services.datagen.text.words import units

_CHARACTERS = ("ja", "th", "lo", "km", "my", "yue")
"""Written without spaces and without a segmenter here: a character with its marks is a word."""


def tokenise(text: str, language: str) -> list[str]:
    """Cuts a normalised line into words and punctuation.

    Args:
        text: A line; nothing of it is lost but white space.
        language: BCP 47 tag.
    """
    short = language.partition("-")[0]
    if short == "zh":
        return [word for word in _jieba().cut(text, HMM=True) if word.strip()]
    if short in _CHARACTERS:
        return [text[start:end] for start, end in units(text, signs_apart=True)]
    words: list[str] = _moses(short).tokenize(text, escape=False)
    return words


@lru_cache(maxsize=64)
def _moses(language: str) -> Any:
    from sacremoses import MosesTokenizer

    return MosesTokenizer(lang=language)


@lru_cache(maxsize=1)
def _jieba() -> Any:
    import jieba

    jieba.setLogLevel(logging.WARNING)
    return jieba.Tokenizer()

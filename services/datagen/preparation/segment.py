"""Lines cut into words before sub-words are learnt: Moses for most languages, jieba for Chinese."""

import logging
from functools import lru_cache
from typing import Any

from babelscope.data.languages import read_tag

from services.datagen.preparation.inner import whole_words
from services.runtime.text.words import units


def tokenise(text: str, language: str) -> list[str]:
    """Cuts a normalised line into words and punctuation.

    Args:
        text: A line; nothing of it is lost but white space.
        language: Language tag. Of what is written without spaces only Chinese has a segmenter here; elsewhere a
            character with its marks is a word.
    """
    known = read_tag(language)
    if known.unspaced and known.language == "zh":
        cut = [word for word in _jieba().cut(text, HMM=True) if word.strip()]
        return whole_words(text, cut, known.language)
    if known.unspaced:
        return [text[start:end] for start, end in units(text, signs_apart=True)]
    return whole_words(text, _moses(known.base).tokenize(text, escape=False), known.base)


@lru_cache(maxsize=64)
def _moses(language: str) -> Any:
    from sacremoses import MosesTokenizer

    return MosesTokenizer(lang=language)


@lru_cache(maxsize=1)
def _jieba() -> Any:
    import jieba

    jieba.setLogLevel(logging.WARNING)
    return jieba.Tokenizer()

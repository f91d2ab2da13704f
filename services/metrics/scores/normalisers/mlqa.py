"""MLQA's normaliser (Lewis et al. 2020), as published: for comparison with published figures.

Lower case; Unicode punctuation off; articles of en, es, de, vi and ar off; Han characters are tokens in zh.
Faithful to the script, hence its faults too: its Han range ends at U+9FA5 and misses kana and hangul, and in Arabic
the article's two letters are taken off anywhere in a word. `char` has neither fault.
"""

import re
from typing import Final

from babelscope.data.languages import read_tag

from services.metrics.scores.normalisers.base import Normaliser, is_punctuation, segment

_ARTICLES: Final[dict[str, re.Pattern[str]]] = {
    "en": re.compile(r"\b(?:a|an|the)\b"),
    "es": re.compile(r"\b(?:un|una|unos|unas|el|la|los|las)\b"),
    "vi": re.compile(r"\b(?:của|là|cái|chiếc|những)\b"),
    "de": re.compile(r"\b(?:ein|eine|einen|einem|eines|einer|der|die|das|den|dem|des)\b"),
    "ar": re.compile("ال"),
}


def _tokens(answer: str, language: str) -> list[str]:
    base = read_tag(language).base
    kept = "".join(character for character in answer.lower() if not is_punctuation(character))
    articles = _ARTICLES.get(base)
    kept = articles.sub(" ", kept) if articles else kept
    return segment(kept, _is_han) if base == "zh" else kept.split()


def _is_han(character: str) -> bool:
    return "\u4e00" <= character <= "\u9fa5"


MLQA: Final = Normaliser("mlqa", lambda answer, language: " ".join(_tokens(answer, language)), _tokens)
"""The normaliser of MLQA."""

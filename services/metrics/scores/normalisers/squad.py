"""SQuAD's normaliser (Rajpurkar et al. 2016): lower case, ASCII punctuation and English articles off, white space."""

import re
from typing import Final

from services.metrics.scores.normalisers.base import ASCII_PUNCTUATION, Normaliser

_ARTICLES: Final = re.compile(r"\b(?:a|an|the)\b")


def _tokens(answer: str, language: str) -> list[str]:
    kept = "".join(character for character in answer.lower() if character not in ASCII_PUNCTUATION)
    return _ARTICLES.sub(" ", kept).split()


SQUAD: Final = Normaliser("squad", lambda answer, language: " ".join(_tokens(answer, language)), _tokens)
"""The normaliser of SQuAD, whatever the language."""

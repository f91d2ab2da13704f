"""KorQuAD's normaliser (Lim et al. 2019): quotes, brackets, ASCII punctuation off, lower case; F1 by character."""

from typing import Final

from services.metrics.scores.normalisers.base import ASCII_PUNCTUATION, Normaliser

_BRACKETS: Final = str.maketrans(dict.fromkeys("'\"《》<>〈〉()‘’", " "))


def _text(answer: str, language: str) -> str:
    kept = answer.translate(_BRACKETS).lower()
    return " ".join("".join(character for character in kept if character not in ASCII_PUNCTUATION).split())


def _tokens(answer: str, language: str) -> list[str]:
    return list(_text(answer, language).replace(" ", ""))


KORQUAD: Final = Normaliser("korquad", _text, _tokens)
"""The normaliser of KorQuAD."""

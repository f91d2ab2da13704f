"""What a normaliser is, and the steps that several share."""

import string
import unicodedata
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

ASCII_PUNCTUATION: Final = frozenset(string.punctuation)


@dataclass(frozen=True)
class Normaliser:
    """How answers are made comparable.

    Args:
        name: `squad`.
        text: Function from an answer and its language to the string that exact match compares.
        tokens: Function from an answer and its language to the tokens that F1 counts.
    """

    name: str
    text: Callable[[str, str], str]
    tokens: Callable[[str, str], list[str]]


def is_punctuation(character: str) -> bool:
    """ASCII punctuation and symbols, and all that Unicode calls punctuation."""
    return character in ASCII_PUNCTUATION or unicodedata.category(character).startswith("P")


def segment(text: str, alone: Callable[[str], bool]) -> list[str]:
    """White-space tokens, of which some characters are tokens of their own.

    Args:
        text: Any text.
        alone: Whether a character stands alone.
    """
    return "".join(f" {character} " if alone(character) else character for character in text).split()

"""Punctuation and white space in one form, as the Moses scripts have it."""

import re
import unicodedata
from functools import lru_cache
from typing import Any

_CONTROLS = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f\ufeff\ufffd]")
_FULL_WIDTH = ("zh", "ja", "yue")
"""Languages whose own punctuation is full-width: Moses would make it that of English."""


def normalise(text: str, language: str) -> str:
    """Normalises a line for pretraining.

    Composes characters (NFC), drops control characters, makes all white space one space, and writes quotes, dashes and
    the spaces around punctuation in Moses' form (`normalize-punctuation.perl`, here by sacremoses).

    Args:
        text: A line.
        language: BCP 47 tag; some rules differ by language.

    Returns:
        The line; it may be empty.
    """
    text = " ".join(_CONTROLS.sub("", unicodedata.normalize("NFC", text)).split())
    short = language.partition("-")[0]
    if short in _FULL_WIDTH:
        return text
    normalised: str = _normaliser(short).normalize(text)
    return " ".join(normalised.split())


@lru_cache(maxsize=64)
def _normaliser(language: str) -> Any:
    from sacremoses import MosesPunctNormalizer

    return MosesPunctNormalizer(lang=language)

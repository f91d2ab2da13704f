"""Punctuation and white space in one form, as the Moses scripts have it."""

import re
import unicodedata
from functools import lru_cache
from typing import Any

from babelscope.data.languages import read_tag

_CONTROLS = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f\ufeff\ufffd]")


def normalise(text: str, language: str) -> str:
    """Normalises a line for pretraining.

    Composes characters (NFC), drops control characters, makes all white space one space, and writes quotes, dashes and
    the spaces around punctuation in Moses' form (`normalize-punctuation.perl`, here by sacremoses).

    Args:
        text: A line.
        language: Language tag; some rules differ by language.

    Returns:
        The line; it may be empty.
    """
    text = " ".join(_CONTROLS.sub("", unicodedata.normalize("NFC", text)).split())
    known = read_tag(language)
    if known.full_width:
        return text  # Moses would make its punctuation that of English
    normalised: str = _normaliser(known.base).normalize(text)
    return " ".join(normalised.split())


@lru_cache(maxsize=64)
def _normaliser(language: str) -> Any:
    from sacremoses import MosesPunctNormalizer

    return MosesPunctNormalizer(lang=language)

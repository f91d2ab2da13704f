"""Punctuation and white space in one form, as the Moses scripts have it."""

import re
from functools import lru_cache
from typing import Any

from babelscope.data.languages import read_tag

from services.runtime.text.forms import in_form

# Moses' rule for a quote after dots is tried at each dot of a row, which takes hours for a million of them. The rule
# beside it does the same and passes over a row without a quote as a whole.
_MOSES_DOTS = r'(\.+)"(\s*[^<])'
_DOTS = re.compile(r'(\.+)(?:"(\s*[^<]))?')
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
    text = " ".join(_CONTROLS.sub("", in_form("NFC", text)).split())
    known = read_tag(language)
    if known.full_width:
        return text  # Moses would make its punctuation that of English
    normalised: str = _normaliser(known.base).normalize(text)
    return " ".join(normalised.split())


@lru_cache(maxsize=64)
def _normaliser(language: str) -> Any:
    from sacremoses import MosesPunctNormalizer

    made = MosesPunctNormalizer(lang=language)
    made.substitutions = [
        (_DOTS, _quoted) if rule == _MOSES_DOTS else (rule, replacement) for rule, replacement in made.substitutions
    ]
    return made


def _quoted(found: re.Match[str]) -> str:
    """Dots before the quote that followed them, where there was one."""
    dots, rest = found.groups()
    return dots if rest is None else f'"{dots}{rest}'

"""A normaliser for scripts other than Latin: characters for Han, kana and scripts without spaces, words elsewhere.

NFC, lower case, Unicode punctuation off; the Arabic article is taken off at the start of a word of at least four
letters.
"""

import re
from typing import Final

from babelscope.data.languages import read_tag

from services.metrics.scores.normalisers.base import Normaliser, is_punctuation, segment
from services.runtime.text.forms import in_form
from services.runtime.text.words import is_unspaced

_ALONE: Final = (
    (0x0E00, 0x0EFF),  # Thai, Lao
    (0x1000, 0x109F),  # Myanmar
    (0x1780, 0x17FF),  # Khmer
    (0x3005, 0x3007),  # iteration mark, closing mark, zero
    (0x3040, 0x30FF),  # kana
    (0x31F0, 0x31FF),  # kana extensions
    (0x3400, 0x4DBF),  # Han, extension A
    (0x4E00, 0x9FFF),  # Han
    (0xF900, 0xFAFF),  # Han, compatibility
    (0xFF66, 0xFF9F),  # half-width kana
    (0x20000, 0x323AF),  # Han, extensions B to H
)
"""Characters that stand alone besides those of all scripts without spaces: digits and signs of these."""
_ARABIC_ARTICLE: Final = re.compile(r"\bال(?=\w{2})")


def _tokens(answer: str, language: str) -> list[str]:
    text = in_form("NFC", answer).lower()
    kept = "".join(character for character in text if not is_punctuation(character))
    if read_tag(language).base == "ar":
        kept = _ARABIC_ARTICLE.sub("", kept)
    return segment(kept, _stands_alone)


def _stands_alone(character: str) -> bool:
    point = ord(character)
    if point < _ALONE[0][0]:
        return False
    return any(first <= point <= last for first, last in _ALONE) or is_unspaced(character)


CHAR: Final = Normaliser("char", lambda answer, language: " ".join(_tokens(answer, language)), _tokens)
"""The normaliser by characters."""

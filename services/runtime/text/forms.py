"""Unicode's normalisation forms, in a time that is linear in the text.

`unicodedata` brings combining marks into their canonical order by insertion, which takes the square of their number:
minutes for a megabyte of marks, with Python's lock held. Long runs of marks are therefore ordered before (UAX 15,
section 1.3: what follows a starter is sorted by combining class, and equal classes keep their order).
"""

import re
import unicodedata
from functools import lru_cache
from typing import Final, Literal

Form = Literal["NFC", "NFKC", "NFD", "NFKD"]

_LONG: Final = 31
"""Marks in a row from which they are ordered here: UAX 15 finds no more than 30 in any text that is written."""


def in_form(form: Form, text: str) -> str:
    """A text in a normalisation form: what `unicodedata.normalize` returns.

    Args:
        form: Normalisation form.
        text: Any text.
    """
    if text.isascii():
        return text
    return unicodedata.normalize(form, text if len(text) < _LONG else ordered(form, text))


def ordered(form: Form, text: str) -> str:
    """A text whose long runs of combining marks are decomposed and in canonical order.

    Args:
        form: Form that the text is to have; the text returned has the same one.
        text: Any text.
    """
    decomposed: Form = "NFKD" if "K" in form else "NFD"

    def sort(run: re.Match[str]) -> str:
        marks = "".join([unicodedata.normalize(decomposed, mark) for mark in run[0]])
        return "".join(sorted(marks, key=unicodedata.combining))

    return _runs(decomposed).sub(sort, text)


@lru_cache(maxsize=2)
def _runs(decomposed: Form) -> re.Pattern[str]:
    """Long runs of characters that decompose into nothing but marks. There are none outside of the first two planes."""
    marks = [
        character
        for character in map(chr, range(0x300, 0x20000))
        if all(map(unicodedata.combining, unicodedata.normalize(decomposed, character)))
    ]
    return re.compile(f"[{''.join(marks)}]{{{_LONG},}}")

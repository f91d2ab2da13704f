"""Places within words at which no line is cut: before marks and joiners, and around apostrophes and gershayim.

Moses' rules know letters, digits and what is neither, and cut at all that is neither: a combining mark that has no
composed form (Yoruba ọ̀), the joiners of Persian, soft hyphens, an apostrophe that is a letter of the language. jieba
cuts letters beyond ASCII one by one. Here stand the rules of Unicode's word boundaries (UAX 29) for these; all other
punctuation is the tokenisers' own to cut.
"""

from collections.abc import Sequence
from itertools import chain
from typing import Final

import regex

_LETTER: Final = r"[\p{L}\p{N}]"
_UNSEEN: Final = r"[\u00ad\u061c\u180e\u200c-\u200f\u202a-\u202e\u2060-\u206f\ufeff]"
"""Soft hyphens, joiners, Mongolian's vowel separator, signs of direction: what has no width and separates nothing."""
_TAIL: Final = rf"(?:\p{{M}}|{_UNSEEN})"
"""Marks and signs without width that belong to the letter before."""
_APOSTROPHE: Final = r"['’‘ʼʻ՚＇`´]"
"""With what is written in its place between letters: Uzbek g‘oya, Hawai`i."""
_PART: Final = rf"\p{{L}}{_TAIL}*"

_SPACED: Final = r"(?!\p{Han}|\p{Hiragana}|\p{Katakana})"

_CLUSTER: Final = regex.compile(r"\X")
_AFTER_TAIL: Final = regex.compile(rf"(?<={_LETTER}{_TAIL}+)(?={_LETTER}){_SPACED}")
_BEFORE_UNSEEN: Final = regex.compile(rf"(?<={_LETTER}{_TAIL}*)(?={_UNSEEN})")
_RUN: Final = regex.compile(rf"(?:{_SPACED}[\p{{L}}\p{{N}}]{_TAIL}*)+")
_WITHIN: Final = regex.compile(
    rf"(?<=\p{{Hebrew}}{_TAIL}*)[\"״׳'](?=\p{{Hebrew}})"  # צה"ל
    rf"|(?<=\p{{Hebrew}}{_TAIL}*)׳"
    rf"|(?<={_PART})[·‧](?=\p{{L}})"  # col·lecció
    r"|(?<=\p{Armenian})[՛՜՞]"  # over a vowel: ինչո՞ւ
)
_BETWEEN: Final = regex.compile(rf"(?<={_PART}){_APOSTROPHE}(?=\p{{L}})")

CONTRACTING: Final = frozenset({"en"})
"""Languages whose apostrophe begins the second part: don 't."""
ELIDING: Final = frozenset(
    {"ca", "co", "fr", "fur", "ga", "it", "lij", "lmo", "nap", "oc", "pms", "sc", "scn", "vec", "wa"}
)
"""Languages whose apostrophe ends the first part: l' eau."""


def whole_words(text: str, words: Sequence[str], language: str) -> list[str]:
    """Words put together again where they were cut at a place within a word.

    Args:
        text: The line.
        words: What it was cut into; together they spell it, but for white space.
        language: Primary subtag of its language: tells to which side an apostrophe between two letters belongs. In
            most languages it belongs to both: Ukrainian п’ять, Swahili ng'ombe, Turkish Ankara'da.

    Returns:
        The words; as they came where they do not spell the line.
    """
    places = _places(text, language)
    if not places:
        return list(words)
    begins: list[int] = []
    ends: list[int] = []
    at = 0
    for word in words:
        start = text.find(word, at)
        if start < 0 or text[at:start].strip():
            return list(words)
        if not (begins and start == at and start in places):
            begins.append(start)
            ends.append(start)
        at = ends[-1] = start + len(word)
    return [text[begin:end] for begin, end in zip(begins, ends, strict=True)]


def _places(text: str, language: str) -> set[int]:
    """The offsets at which the line is not cut."""
    if text.isascii() and "'" not in text:
        return set()
    places: set[int] = set()
    for match in chain(_CLUSTER.finditer(text), _RUN.finditer(text) if language == "zh" else ()):
        places.update(range(match.start() + 1, match.end()))
    for pattern in (_AFTER_TAIL, _BEFORE_UNSEEN):
        places.update(match.start() for match in pattern.finditer(text))
    for match in _WITHIN.finditer(text):
        places.add(match.start())
        if match.end() < len(text) and text[match.end()].isalpha():
            places.add(match.end())
    for match in _BETWEEN.finditer(text):
        if language not in CONTRACTING:
            places.add(match.start())
        if language not in ELIDING:
            places.add(match.end())
    return places

"""Words of running text with their offsets, for any script.

A word is a run of letters, digits, their combining marks, and joiners and soft hyphens within. An apostrophe joins two
parts of a word (don't, aujourd'hui), but not a part of one or two letters before it (l'eau, qu'il) nor an `s` after it
(Anna's). Scripts written without spaces (Han, kana, Thai, Lao, Khmer, Myanmar and others) give one word a character
with its marks, unless a lexicon knows longer ones: then the longest that fits from the left.
"""

import re
import unicodedata
from collections.abc import Callable, Iterable, Iterator
from functools import cache
from itertools import chain

from babelscope.data.languages import read_tag

from services.runtime.text.forms import in_form

Span = tuple[int, int]
"""Offsets of a word in code points: `text[start:end]`."""

# Ranges of letters and their marks; digits of these scripts count as those of any other.
_UNSPACED_RANGES = (
    (0x0E01, 0x0E4E),  # Thai
    (0x0E81, 0x0ECE),  # Lao
    (0x0EDC, 0x0EDF),
    (0x1000, 0x103F),  # Myanmar
    (0x1050, 0x108F),
    (0x1780, 0x17D3),  # Khmer
    (0x1950, 0x19CF),  # Tai Le, New Tai Lue
    (0x1A20, 0x1A7F),  # Tai Tham
    (0x1B00, 0x1B4F),  # Balinese
    (0x3005, 0x3007),  # Han
    (0x3021, 0x3029),
    (0x3031, 0x312F),  # kana, Bopomofo
    (0x31A0, 0x31BF),
    (0x31F0, 0x31FF),
    (0x3400, 0x4DBF),
    (0x4E00, 0x9FFF),
    (0xA980, 0xA9CF),  # Javanese
    (0xA9E0, 0xA9EF),
    (0xA9FA, 0xA9FE),
    (0xAA60, 0xAA7F),
    (0xAA80, 0xAADF),  # Tai Viet
    (0xF900, 0xFAFF),
    (0xFF66, 0xFF9F),
    (0x1B000, 0x1B16F),
    (0x20000, 0x323AF),
)
_JOINERS = "\u00ad\u180e\u200c\u200d\u2060"
"""Soft hyphens, Mongolian's vowel separator, joiners: what has no width and separates no words."""
_LAST_MARKS = 0x20000
"""Beyond this code point only variation selectors are marks."""


def _class(ranges: Iterable[Span]) -> str:
    return "".join(f"{re.escape(chr(low))}-{re.escape(chr(high))}" for low, high in ranges)


@cache
def _marks() -> str:
    """The combining marks as the inside of a character class."""
    ranges: list[list[int]] = []
    for code in range(_LAST_MARKS):
        if unicodedata.category(chr(code))[0] == "M":
            if ranges and ranges[-1][1] == code - 1:
                ranges[-1][1] = code
            else:
                ranges.append([code, code])
    return _class([(low, high) for low, high in ranges] + [(0xE0100, 0xE01EF)]) + _JOINERS


@cache
def _pattern() -> re.Pattern[str]:
    unspaced = _class(_UNSPACED_RANGES)
    letter, tail = rf"[^\W_{unspaced}]", rf"(?:[^\W_{unspaced}]|[{_marks()}])"
    # Possessive throughout: nothing is ever given back, and a step that might be takes 100 bytes and more.
    spaced = rf"{letter}{tail}*+(?:(?<={tail}{{3}})['’](?![sS](?!{tail})){letter}{tail}*+)*+"
    return re.compile(rf"(?P<run>(?:(?=[^\W_])[{unspaced}][{_marks()}]*+)++)|{spaced}")


@cache
def _cluster() -> re.Pattern[str]:
    return re.compile(rf".[{_marks()}]*+", re.DOTALL)


def segment(text: str, split_run: Callable[[str], Iterable[int]] | None = None) -> Iterator[Span]:
    """Yields the words' offsets in order.

    Args:
        text: Any text.
        split_run: Lengths of the words of a run written without spaces; characters with their marks by default.
    """
    for match in _pattern().finditer(text):
        if match["run"] is None:
            yield match.span()
        else:
            yield from _each(match.start(), (split_run or clusters)(match.group()))


def clusters(run: str) -> Iterator[int]:
    """Yields the lengths of a run's characters, each with its combining marks."""
    for match in _cluster().finditer(run):
        yield match.end() - match.start()


def units(
    text: str, split_run: Callable[[str], Iterable[int]] | None = None, *, signs_apart: bool = False
) -> Iterator[Span]:
    """Yields the words and, between them, what else is not white space.

    Args:
        text: Any text.
        split_run: Function that splits a run of characters, as for `segment`.
        signs_apart: Each sign with its marks is one, not each run of signs.
    """
    at = 0
    for start, end in chain(segment(text, split_run), [(len(text), len(text))]):
        for match in _SIGNS.finditer(text, at, start):
            if signs_apart:
                yield from _each(match.start(), clusters(match.group()))
            else:
                yield match.span()
        if start < end:
            yield start, end
        at = end


_SIGNS = re.compile(r"\S+")


def _each(start: int, lengths: Iterable[int]) -> Iterator[Span]:
    for length in lengths:
        yield start, start + length
        start += length


def is_unspaced(character: str) -> bool:
    """Whether a character belongs to a script written without spaces."""
    code = ord(character)
    return code >= _UNSPACED_RANGES[0][0] and any(low <= code <= high for low, high in _UNSPACED_RANGES)


def run_together(left: str, right: str) -> bool:
    """Whether two neighbouring texts would read as one word: a letter or digit of a spaced script on both sides."""
    return _is_spaced_letter(left[-1:]) and _is_spaced_letter(right[:1])


def _is_spaced_letter(character: str) -> bool:
    return bool(character) and unicodedata.category(character)[0] in "LMN" and not is_unspaced(character)


_DOTLESS = frozenset({"az", "crh", "gag", "kk", "tr", "tt"})
"""Turkic languages in whose Latin script I and ı, İ and i are pairs."""


def _has_dotless_i(language: str) -> bool:
    return read_tag(language).base in _DOTLESS


def fold(word: str, language: str = "") -> str:
    """The form by which words are compared: composed (NFC) and case-folded, dotted and dotless i kept apart."""
    if _has_dotless_i(language):
        word = word.replace("I", "ı").replace("İ", "i")
    return word.lower() if word.isascii() else in_form("NFC", word).casefold()


def with_case_of(model: str, word: str, language: str = "") -> str:
    """Gives a word the case of another: UPPER where that has two letters or more, Title, else as it is.

    Args:
        model: The word whose case is taken.
        word: The word to change, in its own case: a German noun stays capital after a lower-case model.
        language: Tag of the word's language, for the Turkish i.
    """
    if model.isupper() and sum(map(str.isalpha, model)) > 1:
        return _upper(word, language)
    if model[:1].isupper():
        return _upper(word[:1], language) + word[1:]
    return word


def _upper(text: str, language: str) -> str:
    if _has_dotless_i(language):
        text = text.replace("i", "İ")
    return text.upper()

"""Invented names, put together from syllables that every script of the grammar can spell without loss.

A key is syllables and an ending, joined by hyphens: `ka-ro-n`. Endings tell the kinds apart: men's given names end in
-n, women's in -na, surnames in -ko, places in -ria, organisations in -tek.
"""

from functools import cache

import numpy as np

_CONSONANTS = "ksztdnmrbgfh"
_VOWELS = "aio"

COUNTS = {"man": 220, "woman": 220, "surname": 700, "place": 450, "organisation": 350}
_ENDINGS = {"man": "n", "woman": "na", "surname": "ko", "place": "ria", "organisation": "tek"}
_WORDS = frozenset({"ba-na-n", "ba-to-na", "bi-so-n", "di-ni-n", "ba-ra-n", "ki-ri-n", "za-ko-n", "zi-za-n"})
"""Keys left out because some language spells them like a word of its own: Russian банан, закон."""
_KIND_OF = {ending: kind for kind, ending in _ENDINGS.items()}

_CYRILLIC = dict(zip("ksztdnmrbgfhaioe", "ксзтднмрбгфхаиое", strict=True))
_CYRILLIC_ENDINGS = {"n": "н", "na": "на", "ko": "ко", "ria": "рия", "tek": "тек"}
_ARABIC = dict(zip("ksztdnmrbgfhaio", "كسزتدنمربغفهايو", strict=True))
_ARABIC_ENDINGS = {"n": "ن", "na": "نا", "ko": "كو", "ria": "ريا", "tek": "تيك"}
_DEVANAGARI = dict(
    zip("ksztdnmrbgfhaio", ("क", "स", "ज़", "त", "द", "न", "म", "र", "ब", "ग", "फ़", "ह", "ा", "ी", "ो"), strict=True)
)
_DEVANAGARI_ENDINGS = {"n": "न", "na": "ना", "ko": "को", "ria": "रिया", "tek": "टेक"}
_KANA_ROWS = ("カキコ", "サシソ", "ナニノ", "マミモ", "ラリロ", "バビボ", "ガギゴ", "ハヒホ", "ザジゾ")
_KANA = dict(zip("ksnmrbghz", _KANA_ROWS, strict=True))
_KANA_PAIRS = {
    "ta": "タ",
    "ti": "ティ",
    "to": "ト",
    "da": "ダ",
    "di": "ディ",
    "do": "ド",
    "fa": "ファ",
    "fi": "フィ",
    "fo": "フォ",
}
_KANA_ENDINGS = {"n": "ン", "na": "ナ", "ko": "コ", "ria": "リア", "tek": "テック"}
_HANZI = dict(
    zip(
        (consonant + vowel for consonant in _CONSONANTS for vowel in _VOWELS),
        "卡基科萨西索扎齐佐塔蒂托达迪多纳尼诺马米莫拉里罗巴比博加吉戈法菲福哈希霍",
        strict=True,
    )
)
_HANZI_ENDINGS = {"n": "恩", "na": "娜", "ko": "柯", "ria": "利亚", "tek": "特克"}


@cache
def inventory(kind: str) -> tuple[str, ...]:
    """The keys of a kind of name, the most frequent first: `man`, `woman`, `surname`, `place` or `organisation`."""
    syllables = [consonant + vowel for consonant in _CONSONANTS for vowel in _VOWELS]
    pairs = [f"{one}-{other}-{_ENDINGS[kind]}" for one in syllables for other in syllables if one != other]
    order = np.random.default_rng(sorted(_ENDINGS).index(kind)).permutation(len(pairs))
    return tuple(pairs[place] for place in order if pairs[place] not in _WORDS)[: COUNTS[kind]]


def kind_of(key: str) -> str:
    """Which kind of name a key is."""
    return _KIND_OF[key.rsplit("-", 1)[1]]


def spell(key: str, script: str) -> str:
    """A name in a script: `latin`, `cyrillic`, `arabic`, `devanagari`, `kana` or `hanzi`."""
    *syllables, ending = key.split("-")
    if script == "latin":
        return ("".join(syllables) + ending).capitalize()
    if script == "kana":
        return "".join(_kana(syllable) for syllable in syllables) + _KANA_ENDINGS[ending]
    if script == "hanzi":
        return "".join(_HANZI[syllable] for syllable in syllables) + _HANZI_ENDINGS[ending]
    letters, endings = {
        "cyrillic": (_CYRILLIC, _CYRILLIC_ENDINGS),
        "arabic": (_ARABIC, _ARABIC_ENDINGS),
        "devanagari": (_DEVANAGARI, _DEVANAGARI_ENDINGS),
    }[script]
    written = "".join(letters[letter] for letter in "".join(syllables)) + endings[ending]
    return written.capitalize() if script == "cyrillic" else written


def syllables(key: str, script: str) -> tuple[str, ...]:
    """What a name is put together from, as a script spells it within a word."""
    *parts, ending = key.split("-")
    # A syllable is what a name of it and the ending has before the ending.
    whole = spell(key, script)
    alone = [spell(f"{part}-{ending}", script) for part in parts]
    after = (sum(map(len, alone)) - len(whole)) // (len(parts) - 1)
    return (*(one[: len(one) - after] for one in alone), whole[len(whole) - after :])


def _kana(syllable: str) -> str:
    consonant, vowel = syllable[0], syllable[1]
    return _KANA_PAIRS.get(syllable) or _KANA[consonant][_VOWELS.index(vowel)]

"""Language tags, read in one place: what language and script a tag names, in whichever way it is spelled.

`zh`, `ZH`, `zho`, `cmn`, `zh_Hans` and `cmn-Hans` name one language in one script, and everything that depends on the
language asks here, so that all of them get the same tokens, segments and scores. The tag as it was written stays the
name that users see. The data are those of CLDR and of the IANA registry, from the library langcodes, which is imported
with the first tag.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    import langcodes

_LONGEST: Final = 128
_SEPARATORS: Final = re.compile(r"[-_]")
_SCRIPT: Final = re.compile(r"[A-Za-z]{4}")
_LOCALE: Final = re.compile(
    r"(?P<tag>[A-Za-z]{2,8}([-_][A-Za-z0-9]{1,8})*)(\.[A-Za-z0-9-]*)?(@(?P<variant>[A-Za-z]+))?"
)
"""A tag, or the name of a locale as systems have it: `pt_BR.UTF-8`, `sr_RS@latin`, `de_DE@euro`."""
_VARIANTS: Final = {"latin": "Latn", "cyrillic": "Cyrl", "arabic": "Arab", "devanagari": "Deva"}
_NO_REGIONS: Final = frozenset({"XX", "ZZ"})
"""Regions that say that there is none: `en_XX` as in the tags of mBART."""
_MEMBERS: Final = {"azb": "Arab", "uzs": "Arab", "mvf": "Mong"}
"""Scripts of languages that CLDR has no likely script of, where that of their macrolanguage is another."""
_WIDER: Final = {"Hang": "Kore"}
"""A script that is one name of what a language is written in, and the usual name: `kor_Hang` is `ko`."""
_NO_LANGUAGE: Final = frozenset({"und", "mul", "mis", "zxx"})

HAN_SCRIPTS: Final = frozenset({"Hani", "Hans", "Hant", "Hanb", "Bopo", "Jpan", "Hira", "Kana", "Hrkt"})
"""Chinese characters and those written among them: their punctuation is full-width."""

UNSPACED_SCRIPTS: Final = HAN_SCRIPTS | {
    "Thai", "Laoo", "Khmr", "Mymr", "Tale", "Talu", "Lana", "Tavt", "Bali", "Java"
}  # fmt: skip
"""Scripts written without spaces between words."""


@dataclass(frozen=True, slots=True)
class Language:
    """A language tag and what it means.

    A tag that names no language, such as `xx` or `l1`, is kept as it is: its canonical form is itself, its language
    and base are its first part in lower case, which no rule knows, and its script is the one it tells, if any.

    Attributes:
        tag: The tag as it was written, which is what users see.
        canonical: BCP 47 form in which equal languages are equal: the shortest code, no deprecated one, no script that
            goes without saying. `zh` of `cmn_Hans`, `zh-Hant` of `ZHO-hant`.
        language: Its primary subtag: `zh` of `cmn-TW`, but `yue` of `yue-HK`.
        base: The macrolanguage of a language without a two-letter code of its own: `zh` of `yue`, `ar` of `arz`.
        script: ISO 15924 code, told by the tag or the likely one of the language; empty where not known.
        registered: Whether the tag names a language.
    """

    tag: str
    canonical: str
    language: str
    base: str
    script: str
    registered: bool

    @property
    def unspaced(self) -> bool:
        """Whether it is written without spaces between words."""
        return self.script in UNSPACED_SCRIPTS

    @property
    def full_width(self) -> bool:
        """Whether its punctuation is full-width, as that of Chinese and Japanese."""
        return self.script in HAN_SCRIPTS


def read_tag(tag: str) -> Language:
    """Reads a language tag; never fails.

    Subtags that the registry does not know change neither language nor script, as in RFC 4647's lookup: `en-permuted`
    has the rules of English.

    Args:
        tag: BCP 47 tag or a common variant of one: any case, `_` for `-`, ISO 639-3 or 639-2 codes, deprecated codes,
            the name of a locale.
    """
    # A tag may come from a client, and be as long as a message: such a one is not kept.
    return _known(tag) if len(tag) <= _LONGEST else _read(tag)


def _read(tag: str) -> Language:
    """Reads a tag of any length, of which the first `_LONGEST` characters count."""
    written = tag.strip()[:_LONGEST]
    locale = _LOCALE.fullmatch(written)
    parts = [part for part in _SEPARATORS.split(locale["tag"] if locale else written) if part] or [""]
    variant = _VARIANTS.get((locale["variant"] or "").lower()) if locale else None
    if variant and not any(map(_SCRIPT.fullmatch, parts[1:])):
        parts.insert(1, variant)
    # As many of the first subtags as are well-formed together.
    known, parsed = next(
        ((count, found) for count in range(len(parts), 0, -1) if (found := _parsed("-".join(parts[:count])))), (0, None)
    )
    if parsed is None:
        primary = parts[0].lower()
        told = next((part.title() for part in parts[1:] if _SCRIPT.fullmatch(part)), "")
        return Language(tag, tag, primary, primary, told, registered=False)
    plain = parsed.update_dict({"script": None})
    likely = _likely_script(plain)
    script = _WIDER.get(parsed.script or "", parsed.script) or likely
    canonical = (plain if script == likely else parsed).to_tag()
    canonical = "-".join([canonical, *map(str.lower, parts[known:])])
    language = parsed.language or ""
    return Language(tag, canonical, language, _macrolanguage(language), script, registered=True)


_known = lru_cache(maxsize=4096)(_read)


def same_language(left: str, right: str) -> bool:
    """Whether two tags name the same language, script and region: `zh` and `cmn`, but not `zh` and `zh-Hant`."""
    return left == right or read_tag(left).canonical == read_tag(right).canonical


def spelling(tag: str, names: Iterable[str]) -> str | None:
    """How some names spell a language: the tag itself where it is among them, else the first that means the same.

    Args:
        tag: Language tag.
        names: Any names, of which some may be tags.
    """
    listed = list(names)
    return tag if tag in listed else next((name for name in listed if name and same_language(name, tag)), None)


class Spellings:
    """Languages by the tag under which each is met first: after `zh`, `cmn` is `zh`, and both are counted as one."""

    def __init__(self) -> None:
        self._first: dict[str, str] = {}

    def __call__(self, tag: str) -> str:
        """The first tag that means the same."""
        return self._first.setdefault(read_tag(tag).canonical, tag)


def _parsed(tag: str) -> "langcodes.Language | None":
    """A well-formed tag whose first subtag is that of a language; else None."""
    import langcodes

    try:
        found = langcodes.Language.get(tag).prefer_macrolanguage()
    except ValueError:
        return None
    language = found.language
    if language is None or language in _NO_LANGUAGE or language.startswith("x-"):
        return None
    if not langcodes.Language.make(language=language).is_valid():
        return None
    region = None if found.territory in _NO_REGIONS else found.territory
    return found.update_dict({"territory": region})


def _macrolanguage(language: str) -> str:
    from langcodes.data_dicts import MACROLANGUAGES

    return language if len(language) == 2 else MACROLANGUAGES.get(language, language)


def _likely_script(plain: "langcodes.Language") -> str:
    """The likely script of a language, maybe of a region, or that of its macrolanguage; empty where none is known."""
    from langcodes.data_dicts import LIKELY_SUBTAGS

    # Of a language that is not on record, langcodes would answer with the script of English.
    if (plain.language or "") in _MEMBERS:
        return _MEMBERS[plain.language or ""]
    for known in (plain.language or "", _macrolanguage(plain.language or "")):
        if known in LIKELY_SUBTAGS:
            return plain.update_dict({"language": known}).maximize().script or ""
    return ""

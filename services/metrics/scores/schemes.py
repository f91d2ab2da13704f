"""The schemes in which gold marks its spans, and whether tags follow one.

`iob1` (CoNLL-2003 as shipped): B- only where a span follows another of its type; `iob2`: B- at the start of each;
`iobes`: E- at the end of each as well, S- for one of a single word; `bilou`: the same with L- and U-.
"""

from collections.abc import Sequence
from typing import Final

from services.runtime.errors import InvalidArgument

SCHEMES: Final = ("iob2", "iob1", "iobes", "bilou")

_PREFIXES: Final = {"iob2": "BI", "iob1": "BI", "iobes": "BIES", "bilou": "BILU"}
_AS_BIO: Final = {"B": "B", "S": "B", "U": "B", "I": "I", "E": "I", "L": "I"}
_LAST: Final = {"iobes": "E", "bilou": "L"}

Tag = tuple[str, str]
"""Prefix and type; both empty outside of spans."""
OUTSIDE: Final[Tag] = ("", "")


def read_tags(tags: Sequence[str], where: str = "tags") -> list[Tag]:
    """Tags in their two parts.

    Args:
        tags: `O`, or a prefix of B, I, E, S, L, U, a dash, and a type; an empty tag is outside.
        where: Path of the sentence.

    Raises:
        InvalidArgument: A tag is none of these.
    """
    found = []
    for index, tag in enumerate(tags):
        prefix, dash, kind = tag.partition("-")
        if tag in {"", "O"}:
            found.append(OUTSIDE)
        elif prefix in _AS_BIO and dash and kind:
            found.append((prefix, kind))
        else:
            raise InvalidArgument(
                f"{where}.sentence.words[{index}].ner", f"Expected B-TYPE, I-TYPE or O, but got {tag[:40]!r}"
            )
    return found


def as_bio(tags: Sequence[Tag]) -> list[Tag]:
    """Tags of any scheme with the prefixes B and I alone."""
    return [(_AS_BIO.get(prefix, ""), kind) for prefix, kind in tags]


def break_of(scheme: str, tags: Sequence[Tag]) -> int | None:
    """The first word of a sentence that does not follow a scheme; None where all do.

    A span that is not closed is found at the word after it, or at the last word.
    """
    last = OUTSIDE
    for index, tag in enumerate(tags):
        if not _may_follow(scheme, last, tag):
            return index
        last = tag
    return len(tags) - 1 if scheme in _LAST and last[0] in {"B", "I"} else None


def _may_follow(scheme: str, last: Tag, tag: Tag) -> bool:
    prefix, kind = tag
    if prefix and prefix not in _PREFIXES[scheme]:
        return False
    within = last[0] in {"B", "I"} and last[1] == kind
    if scheme == "iob1":
        return prefix != "B" or within
    if scheme == "iob2":
        return prefix != "I" or within
    goes_on = prefix in {"I", _LAST[scheme]}
    return within if goes_on else last[0] not in {"B", "I"}

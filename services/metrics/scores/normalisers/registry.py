"""The normalisers by name, and which one a language has."""

from typing import Final

from services.metrics.scores.normalisers.base import Normaliser, primary
from services.metrics.scores.normalisers.char import CHAR
from services.metrics.scores.normalisers.korquad import KORQUAD
from services.metrics.scores.normalisers.mlqa import MLQA
from services.metrics.scores.normalisers.squad import SQUAD

NORMALISERS: Final[dict[str, Normaliser]] = {each.name: each for each in (SQUAD, MLQA, CHAR, KORQUAD)}

_NOT_LATIN: Final = frozenset({
        "am", "ar", "be", "bg", "bn", "dv", "el", "fa", "gu", "he", "hi", "hy", "ja", "ka", "kk", "km",
        "kn", "ky", "lo", "mk", "ml", "mn", "mr", "my", "ne", "or", "pa", "ps", "ru", "sd", "si", "sr",
        "ta", "te", "tg", "th", "ti", "tt", "ug", "uk", "ur", "yi", "yue", "zh"
})  # fmt: skip


def default_for(language: str) -> Normaliser:
    """The normaliser of a language: `squad` for Latin script, `korquad` for Korean, `char` for all others.

    Args:
        language: BCP 47 language tag; a script in it decides, `sr-Latn`.
    """
    if "latn" in language.lower().split("-"):
        return SQUAD
    if primary(language) == "ko":
        return KORQUAD
    return CHAR if primary(language) in _NOT_LATIN else SQUAD

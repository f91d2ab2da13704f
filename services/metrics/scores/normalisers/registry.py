"""The normalisers by name, and which one a language has."""

from typing import Final

from babelscope.data.languages import read_tag

from services.metrics.scores.normalisers.base import Normaliser
from services.metrics.scores.normalisers.char import CHAR
from services.metrics.scores.normalisers.korquad import KORQUAD
from services.metrics.scores.normalisers.mlqa import MLQA
from services.metrics.scores.normalisers.squad import SQUAD

NORMALISERS: Final[dict[str, Normaliser]] = {each.name: each for each in (SQUAD, MLQA, CHAR, KORQUAD)}


def default_for(language: str) -> Normaliser:
    """The normaliser of a language: `squad` for Latin script, `korquad` for Korean, `char` for all others.

    Args:
        language: Language tag; its script decides: the one it tells, `sr-Latn`, or the likely one of the language.
            Where none is known it is taken for Latin.
    """
    script = read_tag(language).script
    if script in {"", "Latn"}:
        return SQUAD
    return KORQUAD if script == "Kore" else CHAR

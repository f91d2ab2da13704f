"""The scores by name, and how one is made from a request."""

from collections.abc import Mapping
from typing import Any, Final

from services.metrics.scores.base import DEFAULT_RESAMPLES, MAX_RESAMPLES, Score
from services.metrics.scores.bleu1 import Bleu1
from services.metrics.scores.convert_rate import ConvertRate
from services.metrics.scores.nli import Nli
from services.metrics.scores.parsing import Parsing
from services.metrics.scores.qa import Qa
from services.metrics.scores.span_f1 import SpanF1
from services.metrics.scores.tagging import Tagging
from services.runtime.errors import InvalidArgument
from services.runtime.suggestions import unknown

SCORES: Final[dict[str, Any]] = {kind.name: kind for kind in (Bleu1, ConvertRate, Qa, SpanF1, Tagging, Parsing, Nli)}
"""Score classes by name; each is made from a language and options."""

COMMON: Final = {
    "resamples": f"Bootstrap samples of the interval; {DEFAULT_RESAMPLES} where not given.",
    "seed": "Of the samples; 0 where not given.",
}
"""Options that every score takes."""


def make(name: str, language: str, options: Mapping[str, str]) -> tuple[Score, int, int]:
    """A score without items, and the samples and seed of its intervals.

    Args:
        name: Of the score.
        language: BCP 47 language tag; empty where not known.
        options: Of the score, and those of all scores.

    Raises:
        InvalidArgument: There is no such score or option, or an option's value is wrong.
    """
    if name not in SCORES:
        raise unknown("spec.score", "a score", name, tuple(SCORES))
    kind = SCORES[name]
    allowed = (*kind.options, *COMMON)
    for key in options:
        if key not in allowed:
            raise unknown(f"spec.options[{key[:80]}]", f"an option of {name}", key, allowed)
    resamples = _integer(options, "resamples", DEFAULT_RESAMPLES, 1, MAX_RESAMPLES)
    seed = _integer(options, "seed", 0, -(1 << 63), (1 << 63) - 1)
    score: Score = kind(language, {key: value for key, value in options.items() if key not in COMMON})
    return score, resamples, seed


def _integer(options: Mapping[str, str], name: str, default: int, least: int, most: int) -> int:
    text = options.get(name, str(default))
    try:
        value = int(text)
    except ValueError:
        value = least - 1
    if not least <= value <= most:
        raise InvalidArgument(
            f"spec.options[{name}]", f"Expected a whole number within {least}..{most}, but got {text[:80]!r}"
        )
    return value

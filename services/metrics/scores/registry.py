"""The scores by name, and how one is made from a request."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from services.metrics.scores.base import DEFAULT_RESAMPLES, MAX_RESAMPLES, Score
from services.metrics.scores.bleu1 import Bleu1
from services.metrics.scores.convert_rate import ConvertRate
from services.metrics.scores.nli import Nli
from services.metrics.scores.parsing import Parsing
from services.metrics.scores.qa import Qa
from services.metrics.scores.span_f1 import SpanF1
from services.metrics.scores.tagging import Tagging
from services.runtime.options import OptionInfo, Place, describe, option, read_all
from services.runtime.suggestions import unknown

SCORES: Final[dict[str, Any]] = {kind.name: kind for kind in (Bleu1, ConvertRate, Qa, SpanF1, Tagging, Parsing, Nli)}
"""Score classes by name; each is made from a language and options."""


@dataclass(frozen=True)
class Common:
    """Options that every score takes."""

    resamples: int = option(
        "Bootstrap samples of the interval.", default=DEFAULT_RESAMPLES, minimum=1, maximum=MAX_RESAMPLES
    )
    seed: int = option("Seed of the samples.", default=0)


def describe_options(name: str) -> tuple[OptionInfo, ...]:
    """The options of a score, then those of all scores."""
    return describe(SCORES[name].Options, Common)


def make(name: str, language: str, options: Mapping[str, str]) -> tuple[Score, int, int]:
    """A score without items, and the samples and seed of its intervals.

    Args:
        name: Name of the score.
        language: BCP 47 language tag; empty where not known.
        options: Options of the score and those that all scores share.

    Raises:
        InvalidArgument: There is no such score or option, or an option's value is wrong.
    """
    if name not in SCORES:
        raise unknown("spec.score", "a score", name, tuple(SCORES))
    kind = SCORES[name]
    own, common = read_all((kind.Options, Common), options, Place(owner=name))
    score: Score = kind(language, own)
    return score, common.resamples, common.seed

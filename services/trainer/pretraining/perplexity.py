"""Perplexity of masked tokens, with an interval over streams."""

import math

import numpy as np
from numpy.typing import NDArray

from services.trainer.data.pieces import Ints
from services.trainer.evaluation.figures import Figure
from services.trainer.pretraining.plan import Masking

_Z = 1.959963984540054


def perplexity_figure(sums: NDArray[np.float64], counts: Ints, masking: Masking) -> Figure:
    """Exp of the mean negative log-likelihood of a masked token.

    The tokens of a stream are not independent, so the interval is over streams: that of a ratio of sums, linearised
    (Cochran 1977, section 6.4), and then its exponential.

    Args:
        sums: [n] negative log-likelihoods of each stream, in nats, added up.
        counts: [n] masked tokens of each stream, at least one in all.
        masking: The shares.
    """
    total, streams = int(counts.sum()), len(sums)
    mean = float(sums.sum()) / total
    error = math.inf
    if streams > 1:
        rest = sums - mean * counts
        error = math.sqrt(float(rest @ rest) * streams / (streams - 1)) / total
    own = "|random_of:language" if masking.within_language else ""
    return Figure(
        metric="perplexity",
        estimator="masked tokens",
        value=_exp(mean),
        low=_exp(mean - _Z * error),
        high=_exp(mean + _Z * error),
        n=total,
        signature=f"perplexity|rate:{masking.rate:g}|masked:{masking.masked:g}|random:{masking.random:g}{own}|ci:streams",
    )


def _exp(value: float) -> float:
    """exp, which is at most the largest number."""
    return math.exp(min(value, 700.0))

"""How much of each language: exponent sampling, and budgets in sentences."""

import math
from collections.abc import Mapping
from dataclasses import dataclass

from services.runtime.errors import InvalidArgument

EXPONENT = 0.7


@dataclass(frozen=True, slots=True)
class Budget:
    """What one language gives.

    Attributes:
        available: Sentences it has.
        probability: Its share of what is drawn.
        sentences: Sentences to take; more than it has where it is repeated.
    """

    available: int
    probability: float
    sentences: int


def probabilities(sizes: Mapping[str, int], exponent: float = EXPONENT) -> dict[str, float]:
    """Shares by exponent sampling: q_l = p_l^a / sum p^a with p_l = n_l / sum n (Conneau & Lample 2019, equation 1).

    Args:
        sizes: Sentences or tokens n_l by language, each above 0.
        exponent: a; 1 keeps the shares, 0 makes them equal.

    Raises:
        InvalidArgument: A size is not above 0, there is none, or the exponent is outside 0..1.
    """
    if not sizes or any(size <= 0 for size in sizes.values()):
        raise InvalidArgument("sizes", f"Expected sizes above 0, but got {dict(sizes)}")
    if not 0 <= exponent <= 1:
        raise InvalidArgument("exponent", f"Expected an exponent within 0..1, but got {exponent:g}")
    total = sum(sizes.values())
    powers = {language: (size / total) ** exponent for language, size in sorted(sizes.items())}
    whole = math.fsum(powers.values())
    return {language: power / whole for language, power in powers.items()}


def budgets(
    available: Mapping[str, int], total: int, exponent: float = EXPONENT, *, repeat: bool = True
) -> dict[str, Budget]:
    """Sentences of each language that make up a total.

    Args:
        available: Sentences by language.
        total: Sentences in all.
        exponent: Exponent of the sampling.
        repeat: Whether a language may be seen more than once; else what it cannot give goes to the others.

    Returns:
        Budgets whose sentences sum to the total exactly: whole parts first, then the largest remainders, ties by tag.

    Raises:
        InvalidArgument: The total is below 1, or without repetition above what there is.
    """
    shares = probabilities(available, exponent)
    if total < 1 or (not repeat and total > sum(available.values())):
        problem = f"Expected a total within 1..{sum(available.values())}, but got {total}"
        raise InvalidArgument("total", problem)
    taken: dict[str, int] = {}
    open_languages, left = dict(shares), total
    while not repeat:
        scale = left / math.fsum(open_languages.values())
        full = [one for one, share in open_languages.items() if share * scale >= available[one]]
        if not full:
            break
        for language in full:
            taken[language] = available[language]
            left -= available[language]
            del open_languages[language]
        if not open_languages:
            break
    if open_languages:
        taken.update(_apportioned(open_languages, left))
    return {language: Budget(available[language], shares[language], taken[language]) for language in shares}


def _apportioned(shares: Mapping[str, float], total: int) -> dict[str, int]:
    whole = math.fsum(shares.values())
    exact = {language: total * share / whole for language, share in shares.items()}
    counts = {language: math.floor(value) for language, value in exact.items()}
    order = sorted(shares, key=lambda language: (counts[language] - exact[language], language))
    for language in order[: total - sum(counts.values())]:
        counts[language] += 1
    return counts

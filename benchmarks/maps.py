"""How often maps find a planted rotation: clustered points, three levels of noise, ten seeds of data and method.

Times are of one machine and say little; what counts is the share of runs that succeed, and the median P@1.
"""

import statistics
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace

from benchmarks.rows import Row, row
from services.metrics.maps.registry import make
from services.metrics.sums.accumulate import nothing
from tests.support.planted_maps import planted, precision_at_1

NOISES = (0.0, 0.1, 0.5)
"""Norm of the noise relative to the row's."""

SEEDS = 10
N, D = 5000, 50
KNOWN = 1000
"""Translations that supervised methods are given; they are scored on the others."""

WEAK = 25
"""Translations that weakly supervised methods are given: half as many as there are dimensions."""

SUCCESS = 0.9
"""P@1 from which a run has succeeded."""


@dataclass(frozen=True)
class Contestant:
    """A method as it is run here.

    Args:
        name: Of the method.
        known: Translations that it is given.
        options: Where they are not the defaults. MUSE's discriminator is small and its epochs are short, since those of
            the paper take about six hours a run on one core; VecMap is less patient.
        goals: Least median P@1, by noise.
    """

    name: str
    known: int
    options: dict[str, str]
    goals: dict[float, float]


CONTESTANTS = (
    Contestant("procrustes", KNOWN, {}, {0.0: 0.99, 0.1: 0.99, 0.5: 0.9}),
    Contestant("dema", WEAK, {"steps": "1000"}, {}),
    Contestant("vecmap", 0, {"patience": "10"}, {0.1: 0.95}),
    Contestant("muse", 0, {"hidden": "128", "steps": "3000", "rate": "0.2"}, {0.1: 0.95}),
)

_QUICK = {"dema": {"steps": "200"}, "vecmap": {"patience": "2"}, "muse": {"hidden": "32", "steps": "100"}}


@dataclass(frozen=True)
class Outcome:
    """Of one run."""

    precision: float
    seconds: float
    warned: bool


def run(quick: bool = False) -> list[Row]:
    """Measures; inputs are drawn."""
    rows = []
    for contestant in CONTESTANTS:
        shorter = {**contestant.options, **_QUICK.get(contestant.name, {})}
        used = replace(contestant, options=shorter, goals={}) if quick else contestant
        for noise in NOISES[1:2] if quick else NOISES:
            found = outcomes(used, noise, range(2 if quick else SEEDS), 500 if quick else N)
            rows += figures(used, noise, found)
    return rows


def outcomes(contestant: Contestant, noise: float, seeds: Sequence[int], n: int = N) -> list[Outcome]:
    """Runs a method once a seed, which draws the data and what the method draws."""
    known = min(contestant.known, n // 2)
    found = []
    for seed in seeds:
        case = planted(seed, n, D, noise, map_seed=seed)
        method, options, _ = make(contestant.name, contestant.options)
        problem = replace(case.problem, pairs=case.pairs(known))
        began = time.perf_counter()
        fitted = method.fit(problem, options, check=nothing, tell=_silent)
        seconds = time.perf_counter() - began
        found.append(Outcome(precision_at_1(case, fitted, known=known), seconds, bool(fitted.warnings)))
    return found


def figures(contestant: Contestant, noise: float, found: Sequence[Outcome]) -> list[Row]:
    """The table's rows of a method at one level of noise."""
    given = " ".join(f"{name}={value}" for name, value in contestant.options.items()) or "defaults"
    about = f"{contestant.name}, noise {noise:g}, {len(found)} seeds"
    right = [outcome.precision >= SUCCESS for outcome in found]
    told = [outcome.warned != ok for outcome, ok in zip(found, right, strict=True)]
    precision = statistics.median(outcome.precision for outcome in found)
    return [
        row("maps", f"{about}: median P@1", precision, "", against=given, at_least=contestant.goals.get(noise)),
        row("maps", f"{about}: share with P@1 >= {SUCCESS:g}", statistics.mean(right), "", against=given),
        row("maps", f"{about}: share rightly warned of or not", statistics.mean(told), "", against=given),
        row("maps", f"{about}: time", statistics.median(outcome.seconds for outcome in found), "s", against=given),
    ]


def _silent(done: int, total: int) -> None:
    """Progress that nobody reads."""

"""DeMa, density matching for bilingual word embedding (Zhou et al. 2019): weakly supervised, refined on demand.

Rows are divided by their norms, centred and divided again. `density` trains a map in either direction; seeds are the
known translations or, where there are none, identical ids (words, where ids are words).
"""

from dataclasses import dataclass
from typing import Any, ClassVar, Final

import numpy as np

from services.metrics.errors import Degenerate
from services.metrics.estimates.estimates import Check
from services.metrics.maps.base import Fitted, MapSide, Pairs, Problem, Tell
from services.metrics.maps.dema.density import DensityMatching, Training
from services.metrics.maps.devices import DEVICE, device_of
from services.metrics.maps.normalisation import SCHEMES, Normalisation
from services.metrics.maps.refinement import refine
from services.metrics.sums.cosines import check_equal_width
from services.runtime.options import option

_EPOCH: Final = 50
"""Steps behind one number of the trace."""


@dataclass(frozen=True)
class DeMaOptions:
    """Options of DeMa."""

    normalisation: str = option("Of the rows of either language.", default="unit_centre_unit", choices=tuple(SCHEMES))
    seeding: str = option(
        "Where no translations are given: identical ids, or none.", default="identical", choices=("identical", "none")
    )
    most_seeds: int = option("Seeds used, the most frequent ones.", default=10_000, minimum=1)
    frequent: int = option("Words of either side that are centres of its mixture.", default=10_000, minimum=2)
    zipf: float = option("The word of rank r has the weight r^-zipf in its mixture.", default=0.0, minimum=0, maximum=4)
    source_variance: float = option("Of the Gaussians of the source mixture.", default=0.015, minimum=1e-6, maximum=10)
    target_variance: float = option("Of the Gaussians of the target mixture.", default=0.015, minimum=1e-6, maximum=10)
    back_translation: float = option("Weight of 1 - cos of words mapped there and back.", default=0.5, minimum=0)
    supervision: float = option("Weight of 1 - cos of mapped seeds and their translations.", default=10.0, minimum=0)
    batch: int = option("Words of either language drawn in a step.", default=128, minimum=1, maximum=65_536)
    learning_rate: float = option("Of Adam; falls along a cosine to 0.", default=0.01, minimum=1e-8, maximum=10)
    steps: int = option("Steps of training.", default=2000, minimum=1, maximum=1_000_000)
    refinements: int = option(
        "Rounds of an induced dictionary and a rotation, after training.", default=0, minimum=0, maximum=100
    )
    device: str = DEVICE


class DeMa:
    """Maps of both directions that match the densities of two mixtures of Gaussians."""

    name: ClassVar[str] = "dema"
    summary: ClassVar[str] = "Density matching of mixtures of Gaussians, with weak supervision."
    supervised: ClassVar[bool] = False
    Options: ClassVar[type[Any]] = DeMaOptions

    def refused_seeds(self, _options: Any) -> str:
        """Known translations are always used."""
        return ""

    def fit(self, problem: Problem, options: DeMaOptions, *, check: Check, tell: Tell) -> Fitted:
        """Fits the source side's map; the target side is normalised only.

        The trace has the objective, averaged over each 50 steps. After refinements the setting `cosine` is the mean
        cosine of the last induced dictionary.

        Args:
            problem: The two spaces.
            options: See there.
            check: Raises where the caller has gone.
            tell: Takes progress, a step a step.

        Raises:
            Degenerate: Unequal dimensions, fewer than 2 rows, zero rows, no seeds where there should be some, or
                training that diverges.
            services.runtime.errors.InvalidArgument: No such device.
        """
        n, m, d = len(problem.source), len(problem.target), int(problem.source.shape[1])
        check_equal_width(d, int(problem.target.shape[1]))
        if min(n, m) < 2:
            raise Degenerate(f"Expected at least 2 rows on either side for dema, but got n={n}, m={m} (d={d})")
        device = device_of(options.device)
        source, left = Normalisation.fit(problem.source, options.normalisation)
        target, right = Normalisation.fit(problem.target, options.normalisation)
        pairs = _seeds(problem, options)
        matching = DensityMatching(
            left[: options.frequent],
            right[: options.frequent],
            pairs,
            Training(
                options.batch,
                options.source_variance,
                options.target_variance,
                options.zipf,
                options.back_translation,
                options.supervision,
                options.learning_rate,
                options.steps,
            ),
            seed=problem.seed,
            device=device,
        )
        total = options.steps + options.refinements
        trace = _train(matching, options.steps, total, check, tell)
        matrix, settings = matching.maps()[0], {"seeds": len(pairs)}
        warnings = () if len(pairs) else ("no seeds: density matching alone seldom finds the map",)
        known: dict[str, str | int | float] = {**settings}
        if options.refinements:
            refined = refine(
                left[: options.frequent],
                right[: options.frequent],
                matrix,
                options.refinements,
                check=check,
                tell=lambda done: tell(options.steps + done, total),
            )
            matrix = refined.rotation.matrix
            known |= {"induced": len(refined.pairs), "cosine": refined.trace[-1]}
        return Fitted(MapSide(source, matrix), MapSide(target, np.eye(d)), tuple(trace), known, warnings)


def _seeds(problem: Problem, options: DeMaOptions) -> Pairs:
    """Seeds among the frequent words: known translations, or identical ids."""
    pairs = problem.pairs
    if not len(pairs) and options.seeding == "identical":
        rows = {one: row for row, one in enumerate(problem.target_ids)}
        found = [(row, rows[one]) for row, one in enumerate(problem.source_ids) if one in rows]
        pairs = np.array(found, np.int64).reshape(-1, 2)
        if not len(pairs):
            raise Degenerate(
                "Expected translations, identical ids, or seeding=none for dema, but got neither "
                f"(n={len(problem.source)}, m={len(problem.target)})"
            )
    kept = pairs[(pairs < options.frequent).all(axis=1)]
    if len(pairs) and not len(kept):
        raise Degenerate(
            f"Expected seeds among the first {options.frequent} rows of either side for dema, but all {len(pairs)} lie "
            "beyond"
        )
    order = np.argsort(kept.sum(axis=1), kind="stable")
    return kept[order[: options.most_seeds]]


def _train(matching: DensityMatching, steps: int, total: int, check: Check, tell: Tell) -> list[float]:
    """All steps; the objective, averaged over every 50."""
    trace, losses = [], []
    for step in range(1, steps + 1):
        check()
        losses.append(matching.step())
        if not np.isfinite(losses[-1]):
            raise Degenerate(
                f"Expected dema's training to converge, but its objective is {losses[-1]} at step {step} of {steps}; "
                "take a lower learning rate or a larger variance"
            )
        tell(step, total)
        if step % _EPOCH == 0 or step == steps:
            trace.append(float(np.mean(losses)))
            losses = []
    return trace

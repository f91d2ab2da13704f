"""Orthogonal Procrustes with iterative normalisation (Zhang et al. 2019), refined on dictionaries of its own on demand.

Supervised: the rotation `U V'` of `svd(X'Y)` over known translations. A refinement (Lample et al. 2018, section 2.3)
induces a dictionary of mutual CSLS neighbours among frequent words with the map so far, and solves for the rotation
anew.
"""

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from services.metrics.errors import Degenerate
from services.metrics.estimates.estimates import Check
from services.metrics.maps.base import Fitted, MapSide, Problem, Tell
from services.metrics.maps.normalisation import SCHEMES, Normalisation
from services.metrics.maps.orthogonal import Rotation, rotation
from services.metrics.maps.refinement import mean_cosine, refine
from services.metrics.sums.cosines import check_equal_width
from services.runtime.options import option


@dataclass(frozen=True)
class ProcrustesOptions:
    """Options of Procrustes."""

    normalisation: str = option("Of the rows of either language.", default="iterative", choices=tuple(SCHEMES))
    refinements: int = option("Rounds of an induced dictionary and a new rotation.", default=0, minimum=0, maximum=100)
    frequent: int = option("Rows of either side that refinements look at.", default=15_000, minimum=1)


class Procrustes:
    """The rotation that brings known translations next to each other."""

    name: ClassVar[str] = "procrustes"
    summary: ClassVar[str] = "Orthogonal Procrustes on known translations."
    supervised: ClassVar[bool] = True
    Options: ClassVar[type[Any]] = ProcrustesOptions

    def refused_seeds(self, _options: Any) -> str:
        """Known translations are always used."""
        return ""

    def fit(self, problem: Problem, options: ProcrustesOptions, *, check: Check, tell: Tell) -> Fitted:
        """Fits the rotation.

        The trace has the mean cosine of the pairs behind each rotation: known ones first, then induced ones.

        Args:
            problem: The two spaces, with known translations.
            options: See there.
            check: Raises where the caller has gone.
            tell: Takes progress, one step a rotation.

        Raises:
            Degenerate: No pairs, unequal dimensions, zero rows, or pairs that determine no rotation.
        """
        n, m, d = len(problem.source), len(problem.target), int(problem.source.shape[1])
        check_equal_width(d, int(problem.target.shape[1]))
        if not len(problem.pairs):
            raise Degenerate(
                f"Expected at least 1 pair of translations for procrustes, but got 0 (n={n}, m={m}, d={d})"
            )
        steps = 1 + options.refinements
        source, left = Normalisation.fit(problem.source, options.normalisation)
        target, right = Normalisation.fit(problem.target, options.normalisation)
        found = rotation(left[problem.pairs[:, 0]], right[problem.pairs[:, 1]])
        settings: dict[str, str | int | float] = {"pairs": len(problem.pairs), "rank": found.rank}
        warnings = _warnings(found, len(problem.pairs), d)
        trace: tuple[float, ...] = (mean_cosine(left, right, problem.pairs, found.matrix),)
        tell(1, steps)
        if options.refinements:
            refined = refine(
                left[: options.frequent],
                right[: options.frequent],
                found.matrix,
                options.refinements,
                check=check,
                tell=lambda done: tell(1 + done, steps),
            )
            found = refined.rotation
            trace += refined.trace
            settings |= {"rank": found.rank, "induced": len(refined.pairs)}
            # What the known pairs left open, the induced ones may determine.
            warnings = _warnings(found, len(refined.pairs), d)
        return Fitted(MapSide(source, found.matrix), MapSide(target, np.eye(d)), trace, settings, warnings)


def _warnings(found: Rotation, pairs: int, d: int) -> tuple[str, ...]:
    """What to beware of where pairs do not determine the whole rotation."""
    if found.rank == d:
        return ()
    return (
        f"{pairs} pairs determine the map in {found.rank} of d={d} directions: it is arbitrary in the other "
        f"{d - found.rank}",
    )

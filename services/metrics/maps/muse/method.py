"""MUSE (Lample et al. 2018): an adversarial map without any dictionary, then refinement on dictionaries of its own.

The adversary (`muse_adversary`) plays in epochs. After each the map is judged without a dictionary: by the mean cosine
of its most confident CSLS pairs among frequent words. The best map so judged goes through rounds of a CSLS dictionary
of frequent words and a Procrustes solution, judged likewise, and the best of all is the answer.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, ClassVar, Final

import numpy as np
from numpy.typing import NDArray

from services.metrics.arrays import F64
from services.metrics.errors import Degenerate
from services.metrics.estimates.estimates import Check
from services.metrics.maps.base import Fitted, MapSide, Pairs, Problem, Tell
from services.metrics.maps.collapse import confidence
from services.metrics.maps.devices import DEVICE, device_of
from services.metrics.maps.induction import Induced, induce
from services.metrics.maps.muse.adversary import Adversary, Game
from services.metrics.maps.normalisation import SCHEMES, Normalisation
from services.metrics.maps.orthogonal import rotation
from services.metrics.maps.refinement import mean_cosine
from services.metrics.maps.restarts import best_of
from services.metrics.sums.cosines import check_equal_width
from services.metrics.sums.products import times
from services.runtime.options import option

MUTUAL: Final = "mutual"
FORWARD: Final = "forward"

_TOLD_EVERY: Final = 250
"""Steps of the map between two tellings of progress."""


@dataclass(frozen=True)
class MuseOptions:
    """Options of MUSE."""

    normalisation: str = option(
        "Of the rows of either language. Distant languages need centring: centre, or unit_centre_unit.",
        default="none",
        choices=tuple(SCHEMES),
    )
    neighbours: int = option("Over which CSLS averages while the map is fitted.", default=10, minimum=1, maximum=1000)
    adversarial_words: int = option("First rows of either side that the adversary sees.", default=75_000, minimum=1)
    epochs: int = option("Of the adversary; the map is judged after each.", default=5, minimum=1, maximum=10_000)
    steps: int = option("Of the map in an epoch.", default=31_250, minimum=1, maximum=10_000_000)
    batch: int = option("Rows of either language in a step.", default=32, minimum=1, maximum=65_536)
    discriminator_steps: int = option(
        "Of the discriminator before each of the map.", default=5, minimum=1, maximum=1000
    )
    hidden: int = option("Units of either hidden layer of the discriminator.", default=2048, minimum=1, maximum=65_536)
    dropout: float = option(
        "Share of the discriminator's inputs dropped while it learns.", default=0.1, minimum=0, maximum=0.99
    )
    slope: float = option("Of the discriminator's rectifiers below 0.", default=0.2, minimum=0, maximum=1)
    smoothing: float = option("Of the labels.", default=0.1, minimum=0, maximum=0.5)
    rate: float = option("Learning rate of the map.", default=0.1, minimum=0)
    discriminator_rate: float = option("Learning rate of the discriminator.", default=0.1, minimum=0)
    decay: float = option("Factor of the map's learning rate after each epoch.", default=0.98, minimum=0, maximum=1)
    shrink: float = option(
        "Factor of the map's learning rate where the criterion falls, from the second time on.",
        default=0.5,
        minimum=0,
        maximum=1,
    )
    orthogonality: float = option("beta of W <- (1 + beta) W - beta W W'W.", default=0.001, minimum=0, maximum=0.1)
    criterion_words: int = option("First rows of either side that the criterion looks at.", default=10_000, minimum=1)
    criterion_pairs: int = option("Most confident pairs whose mean cosine is the criterion.", default=10_000, minimum=1)
    refinements: int = option(
        "Rounds of an induced dictionary and a Procrustes solution.", default=5, minimum=0, maximum=1000
    )
    refined_words: int = option("First rows of either side that refinement looks at.", default=15_000, minimum=1)
    induced: str = option(
        "Pairs of a refinement's dictionary: mutual neighbours as in the paper, or each source row's as in its script.",
        default=MUTUAL,
        choices=(MUTUAL, FORWARD),
    )
    restarts: int = option(
        "Attempts, of which the one with the best criterion is kept.", default=1, minimum=1, maximum=100
    )
    device: str = DEVICE


class Muse:
    """An adversarial map, refined."""

    name: ClassVar[str] = "muse"
    summary: ClassVar[str] = "Adversarial training without any dictionary, then refinement; the source side moves."
    supervised: ClassVar[bool] = False
    Options: ClassVar[type[Any]] = MuseOptions

    def refused_seeds(self, _options: Any) -> str:
        """Known translations are never used."""
        return "Expected no known translations for muse, which learns without any"

    def fit(self, problem: Problem, options: MuseOptions, *, check: Check, tell: Tell) -> Fitted:
        """Fits the map.

        The trace has the criterion after each epoch and each refinement of the attempt that is kept.

        Args:
            problem: The two spaces; known translations are not looked at.
            options: See there.
            check: Raises where the caller has gone.
            tell: Takes progress, by steps of the map.

        Raises:
            Degenerate: Too few rows, unequal dimensions, zero rows, or training that diverges.
            InvalidArgument: There is no such device.
        """
        d = int(problem.source.shape[1])
        check_equal_width(d, int(problem.target.shape[1]))
        device_of(options.device)
        source, left = Normalisation.fit(problem.source, options.normalisation)
        target, right = Normalisation.fit(problem.target, options.normalisation)
        number, best = best_of(
            lambda number, seed: _Attempt(left, right, options, check).made(seed, number, tell),
            problem.seed,
            options.restarts,
        )
        if best.found is None:
            raise Degenerate(
                f"Expected adversarial training that converges, but the map has left the range of floats in its first "
                f"epoch (n={len(left)}, m={len(right)}, d={d}): normalise the rows, or lower the learning rates"
            )
        few = slice(options.refined_words)
        left, right, found = left[few], right[few], best.found
        if max(len(problem.source), len(problem.target)) > options.refined_words:
            mapped = times(left, best.matrix)
            found = induce(mapped, right, k=options.neighbours, check=check)
        sure = confidence(left, right, found, k=options.neighbours, seed=problem.seed, check=check)
        return Fitted(
            MapSide(source, best.matrix),
            MapSide(target, np.eye(d)),
            tuple(best.trace),
            {"attempt": number, "best": best.step, **sure.settings},
            sure.warnings,
        )


class _Attempt:
    """One attempt: the best map so far, by its criterion.

    Args:
        left: [n, d] normalised source rows.
        right: [m, d].
        options: Options of the method.
        check: Raises where the caller has gone.
    """

    def __init__(self, left: F64, right: F64, options: MuseOptions, check: Check) -> None:
        self._left = left
        self._right = right
        self._options = options
        self._check = check
        self.matrix = np.eye(left.shape[1])
        self.criterion = float("nan")
        self.found: Induced | None = None
        self.step = 0
        self.trace: list[float] = []

    def made(self, seed: int, number: int, tell: Tell) -> "_Attempt":
        """Plays, then refines.

        Args:
            seed: Seed of the adversary.
            number: Number of the attempt, for progress messages.
            tell: Takes progress.
        """
        options = self._options
        length = options.epochs * options.steps + options.refinements

        def told(done: int) -> None:
            tell(number * length + done, options.restarts * length)

        self._play(seed, told)
        if self.found is not None:
            found = self.found
            for refinement in range(options.refinements):
                pairs = self._dictionary(found)
                if not len(pairs):
                    break
                matrix = rotation(self._left[pairs[:, 0]], self._right[pairs[:, 1]]).matrix
                found = self._judge(matrix)
                told(options.epochs * options.steps + refinement + 1)
        told(length)
        return self

    def _play(self, seed: int, told: Callable[[int], None]) -> None:
        options, seen = self._options, slice(self._options.adversarial_words)
        game = Game(
            batch=options.batch,
            discriminator_steps=options.discriminator_steps,
            hidden=options.hidden,
            dropout=options.dropout,
            slope=options.slope,
            smoothing=options.smoothing,
            rate=options.discriminator_rate,
            orthogonality=options.orthogonality,
        )
        device = device_of(options.device)
        adversary = Adversary(self._left[seen], self._right[seen], game, seed=seed, device=device)
        rate, fallen = options.rate, False
        for epoch in range(options.epochs):
            for start in range(0, options.steps, _TOLD_EVERY):
                adversary.play(min(_TOLD_EVERY, options.steps - start), rate, check=self._check)
                told(epoch * options.steps + min(start + _TOLD_EVERY, options.steps))
            matrix = adversary.matrix
            if not np.isfinite(matrix).all() or not matrix.any():
                return
            best = self.criterion
            self._judge(matrix)
            rate *= options.decay
            if self.trace[-1] < best:
                rate *= options.shrink if fallen else 1
                fallen = True

    def _judge(self, matrix: F64) -> Induced:
        """Notes the criterion of a map, and the map where it is the best so far."""
        mapped = times(self._left, matrix)
        found = induce(mapped, self._right, k=self._options.neighbours, check=self._check)
        pairs = self._most_confident(found)
        # Where no frequent word has a frequent neighbour, a map is as bad as can be.
        criterion = mean_cosine(self._left, self._right, pairs, matrix) if len(pairs) else -1.0
        self.trace.append(criterion)
        if self.found is None or criterion > self.criterion:
            self.matrix, self.criterion, self.found, self.step = matrix, criterion, found, len(self.trace)
        return found

    def _most_confident(self, found: Induced) -> Pairs:
        """Frequent source rows with their best target rows, those whose best beats the second best by most."""
        pairs, margin = _forward(found, self._options.criterion_words)
        return pairs[np.argsort(-margin, kind="stable")[: self._options.criterion_pairs]]

    def _dictionary(self, found: Induced) -> Pairs:
        """The dictionary of a refinement."""
        if self._options.induced == MUTUAL:
            return found.mutual(self._options.refined_words)
        return _forward(found, self._options.refined_words)[0]


def _forward(found: Induced, most: int) -> tuple[Pairs, NDArray[np.float32]]:
    """The first source rows with their best among the first target rows, and by how much they are."""
    pairs = np.stack([np.arange(len(found.forward.best)), found.forward.best], axis=1).astype(np.int64)
    kept = (pairs < most).all(axis=1)
    return pairs[kept], found.forward.margin[kept]

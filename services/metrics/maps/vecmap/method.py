"""VecMap (Artetxe et al. 2017, 2018): a map and a dictionary that improve each other, from nothing or from a few words.

Unsupervised (2018, ACL): a first dictionary by the similarities within either language (`vecmap_start`), then rounds
of an orthogonal map and a dictionary by CSLS (`self_learning`), last a map of both sides (`vecmap_symmetric`).
Semi-supervised (2017): the same rounds and last step from known translations or identical strings. Supervised (2018,
AAAI): the last step alone, from known translations.
"""

from dataclasses import dataclass
from typing import Any, ClassVar, Final

import numpy as np

from services.metrics.arrays import F64
from services.metrics.errors import Degenerate
from services.metrics.estimates.estimates import Check
from services.metrics.maps.base import Fitted, MapSide, Pairs, Problem, Tell
from services.metrics.maps.collapse import confidence
from services.metrics.maps.normalisation import SCHEMES, Normalisation
from services.metrics.maps.orthogonal import rotation
from services.metrics.maps.restarts import best_of
from services.metrics.maps.vecmap.self_learning import Learnt, Schedule, self_learn
from services.metrics.maps.vecmap.start import unsupervised_start
from services.metrics.maps.vecmap.symmetric import Symmetric, symmetric_map
from services.metrics.sums.cosines import check_equal_width, unit_rows
from services.metrics.sums.products import times
from services.runtime.options import option

UNSUPERVISED: Final = "unsupervised"
IDENTICAL: Final = "identical"
SEMI_SUPERVISED: Final = "semi_supervised"
SUPERVISED: Final = "supervised"

_SHORT: Final = "the gains had not ceased when the rounds ran out after {}: allow more `rounds`"


@dataclass(frozen=True)
class VecMapOptions:
    """Options of VecMap."""

    supervision: str = option(
        "Where the first dictionary comes from: similarities within either language, identical ids, known "
        "translations; `supervised` fits on known translations and induces nothing.",
        default=UNSUPERVISED,
        choices=(UNSUPERVISED, IDENTICAL, SEMI_SUPERVISED, SUPERVISED),
    )
    normalisation: str = option("Of the rows of either language.", default="unit_centre_unit", choices=tuple(SCHEMES))
    start_words: int = option(
        "First rows of either side whose similarities give the unsupervised start.",
        default=4000,
        minimum=1,
        maximum=20_000,
    )
    frequent: int = option("First rows of either side that take part in the rounds.", default=20_000, minimum=1)
    neighbours: int = option("Over which CSLS averages while the map is fitted.", default=10, minimum=1, maximum=1000)
    keep: float = option(
        "Share of similarities that are not dropped in the first rounds.", default=0.1, minimum=0.001, maximum=1
    )
    keep_factor: float = option("By which that share grows when the gains cease.", default=2.0, minimum=1.01)
    patience: int = option("Rounds without a gain after which the gains have ceased.", default=50, minimum=1)
    gain: float = option("In the mean greatest cosine, that counts as one.", default=1e-6, minimum=0)
    rounds: int = option("At most.", default=5000, minimum=1, maximum=1_000_000)
    whiten: bool = option("Whether the last step whitens both sides.", default=True)
    reweight: float = option(
        "Power of the singular values by which the last step weights either side.", default=0.5, minimum=0
    )
    dewhiten: bool = option("Whether the last step undoes the whitening.", default=True)
    restarts: int = option(
        "Attempts, of which the one with the best criterion is kept.", default=1, minimum=1, maximum=100
    )


class VecMap:
    """Self-learning with a symmetric, re-weighted map of both sides at its end."""

    name: ClassVar[str] = "vecmap"
    summary: ClassVar[str] = "Self-learning from nothing, identical words or known translations; both sides move."
    supervised: ClassVar[bool] = False
    Options: ClassVar[type[Any]] = VecMapOptions

    def refused_seeds(self, options: VecMapOptions) -> str:
        """Known translations are used where the supervision asks for them."""
        if options.supervision in {SUPERVISED, SEMI_SUPERVISED}:
            return ""
        return (
            f"Expected options[supervision] {SEMI_SUPERVISED} or {SUPERVISED} for vecmap with known translations, but "
            f"got {options.supervision}, which uses none"
        )

    def fit(self, problem: Problem, options: VecMapOptions, *, check: Check, tell: Tell) -> Fitted:
        """Fits the maps of both sides.

        The trace has the mean greatest cosine of each round's rotation, both directions; of a supervised map the mean
        cosine of the known translations.

        Args:
            problem: The two spaces, with known translations where the supervision asks for them.
            options: See there.
            check: Raises where the caller has gone.
            tell: Takes progress, one step a round.

        Raises:
            Degenerate: Too few rows, no first dictionary, unequal dimensions, or zero rows.
        """
        check_equal_width(int(problem.source.shape[1]), int(problem.target.shape[1]))
        source, left = Normalisation.fit(problem.source, options.normalisation)
        target, right = Normalisation.fit(problem.target, options.normalisation)
        check()
        start = _first_dictionary(problem, options, left, right, check)
        if options.supervision == SUPERVISED:
            maps = _last_step(left, right, start, options)
            trace: tuple[float, ...] = (_mean_cosine(left, right, start, maps),)
            learning: dict[str, str | int | float] = {}
            warnings: tuple[str, ...] = ()
            tell(1, 1)
        else:
            first = rotation(left[start[:, 0]], right[start[:, 1]]).matrix
            # Beyond the frequent words there are pairs of the first dictionary only.
            left, right = left[: options.frequent], right[: options.frequent]
            attempt, learnt = _learnt(options, left, right, first, seed=problem.seed, check=check, tell=tell)
            sure = confidence(left, right, learnt.found, k=options.neighbours, seed=problem.seed, check=check)
            maps, trace = _last_step(left, right, learnt.found.union(), options), learnt.trace
            learning = {"attempt": attempt, "steps": len(trace), **sure.settings}
            warnings = sure.warnings + (() if learnt.ceased else (_SHORT.format(len(trace)),))
        settings = {"start": len(start), "rank": maps.rank, **learning}
        sides = MapSide(source, maps.source), MapSide(target, maps.target)
        return Fitted(*sides, trace, settings, _rank_warnings(maps) + warnings)


def _first_dictionary(problem: Problem, options: VecMapOptions, left: F64, right: F64, check: Check) -> Pairs:
    """The dictionary of the first round, by the kind of supervision."""
    if options.supervision == UNSUPERVISED:
        return unsupervised_start(
            left,
            right,
            words=options.start_words,
            normalisation=options.normalisation,
            k=options.neighbours,
            check=check,
        )
    pairs = problem.pairs
    if options.supervision == IDENTICAL:
        rows = {one: row for row, one in enumerate(problem.target_ids)}
        same = [(row, rows[one]) for row, one in enumerate(problem.source_ids) if one in rows]
        pairs = np.array(same, np.int64).reshape(-1, 2)
    if not len(pairs):
        wanted = "id that both sides have" if options.supervision == IDENTICAL else "pair of translations"
        raise Degenerate(
            f"Expected at least 1 {wanted} for vecmap with supervision={options.supervision}, but got 0 "
            f"(n={len(left)}, m={len(right)}, d={left.shape[1]})"
        )
    return pairs


def _learnt(
    options: VecMapOptions, left: F64, right: F64, first: F64, *, seed: int, check: Check, tell: Tell
) -> tuple[int, Learnt]:
    """The best of the attempts at self-learning, which drop different similarities."""
    schedule = Schedule(
        neighbours=options.neighbours,
        keep=options.keep,
        keep_factor=options.keep_factor,
        patience=options.patience,
        gain=options.gain,
        rounds=options.rounds,
    )
    before = 0

    def attempt(number: int, own: int) -> Learnt:
        nonlocal before

        def told(done: int, total: int) -> None:
            tell(before + done, before + total + (options.restarts - number - 1) * schedule.expected)

        found = self_learn(left, right, first, schedule, seed=own, check=check, tell=told)
        before += len(found.trace)
        return found

    return best_of(attempt, seed, options.restarts)


def _last_step(left: F64, right: F64, pairs: Pairs, options: VecMapOptions) -> Symmetric:
    return symmetric_map(
        left[pairs[:, 0]],
        right[pairs[:, 1]],
        whiten=options.whiten,
        reweight=options.reweight,
        dewhiten=options.dewhiten,
    )


def _mean_cosine(left: F64, right: F64, pairs: Pairs, maps: Symmetric) -> float:
    """Of pairs in the common space."""
    moved, met = times(left[pairs[:, 0]], maps.source), times(right[pairs[:, 1]], maps.target)
    return float(np.einsum("ij,ij->i", unit_rows(moved), unit_rows(met)).mean())


def _rank_warnings(maps: Symmetric) -> tuple[str, ...]:
    """What to beware of where the dictionary does not span the space."""
    d = len(maps.source)
    if maps.rank == d:
        return ()
    return (
        f"the dictionary spans {maps.rank} of d={d} directions: what rows have in the others is lost where they are "
        "whitened, and arbitrary elsewhere",
    )

"""Mergeable sufficient statistics of rows and of pairs of rows, in one pass and O(d^2) memory.

The state of a view is the second moment of the *augmented* row `a = (x, |x|^2, 1)`, that of a pair is the moment
`sum a_x a_y'`. It holds every sum that biased and debiased linear CKA, SVCCA and their jackknife need (Song et al.
2012, equation 5, with the diagonal sums split off as in `hsic.py`): n, sum x, X'X, sum |x|^2 x, sum |x|^4, X'Y, sum
|x|^2 |y|^2, ... Merging is addition. Moving the origin is the linear map `a -> a T`, hence a congruence of the state,
exact in exact arithmetic.

With *squares* the augmented row is `(x, x o x, 1)`, the square of each entry in place of the squared norm. To leave
dimensions out and to change the unit of each is then a linear map as well, `|x~|^2 = sum_j x_j^2 / u_j^2`, so that rows
may be standardised after they were summed, at four times the sums.

Rows are taken relative to a `Frame` (an origin near the mean, a power of two near the spread), because the sums cancel
badly otherwise. Products run in float64 for the first `FLOAT64_ROWS` rows; after that in float32 on bounded blocks that
are added up in float64, where the rounding of the blocks averages out below 1e-7.
"""

import math
from dataclasses import dataclass
from typing import Final

import numpy as np

from services.metrics.arrays import F64, Floats
from services.metrics.rows.treatments import Spread, Treatment
from services.metrics.sums.products import mirrored, plus_cross, plus_gram

FLOAT64_ROWS: Final = 4096
"""Rows whose products are computed in float64, so that float32 is only used where its rounding averages out."""

BLOCK_ROWS: Final = 2048
"""Rows of one matrix product: float32 sums stay short, and adding a block to the float64 state costs a tenth of it."""

_RUN: Final = 64
"""Entries of a float32 row whose squares are added up before float64 takes over: a third of the time of float64."""

_ROUNDING: Final = 1e-13
"""Share of the squares about a frame's origin below which those about the mean are rounding."""

_SQUARED: Final = (2.0**-400, 2.0**400)
"""Numbers whose squares can be added up as they are."""
_HARMLESS_EXPONENT: Final = 16
"""Spreads within 2**-16..2**16 neither overflow nor underflow the fourth powers: they are left as they are."""


@dataclass(frozen=True, eq=False)
class Frame:
    """Origin and unit in which rows are accumulated: `(x - shift) / 2**exponent`.

    Args:
        shift: [d] float64, near the mean.
        exponent: Power of two near the spread; 0 where the spread is harmless.
    """

    shift: F64
    exponent: int = 0

    @classmethod
    def around(cls, rows: Floats) -> "Frame":
        """The frame of a stream that starts with these rows.

        Args:
            rows: [n, d], n >= 1, finite.
        """
        if rows.dtype == np.float32:
            # A float32 origin makes `x - shift` in float32 as exact as the data.
            shift = rows.mean(axis=0, dtype=np.float64).astype(np.float32).astype(np.float64)
        else:
            # Means of values near the largest double overflow as sums: add up in a unit near it.
            largest = max(float(np.max(rows)), -float(np.min(rows)))
            unit = 2.0 ** max(np.frexp(largest)[1] - 1, -1000) if largest > 0 else 1.0
            shift = np.mean(rows / unit, axis=0) * unit
        spread = rows - shift
        peak = max(float(np.max(spread)), -float(np.min(spread)))
        if peak == 0.0:
            return cls(shift)
        unit = 1.0 if _SQUARED[0] < peak < _SQUARED[1] else peak
        if unit != 1.0:
            spread /= unit
        exponent = int(np.frexp(unit * math.sqrt(float(np.einsum("ij,ij->", spread, spread)) / spread.size))[1])
        return cls(shift, exponent if abs(exponent) > _HARMLESS_EXPONENT else 0)

    def apply(self, rows: Floats, dtype: type[np.float32] | type[np.float64]) -> Floats:
        """Rows in this frame.

        Args:
            rows: [n, d].
            dtype: Precision of the result.

        Returns:
            [n, d] C-contiguous.
        """
        moved = np.empty(rows.shape, dtype)
        self.write(rows, moved)
        return moved

    def write(self, rows: Floats, target: Floats) -> None:
        """Writes rows in this frame.

        Args:
            rows: [n, d].
            target: [n, d], in whose precision they are written.
        """
        working = np.float32 if rows.dtype == target.dtype == np.float32 else np.float64
        if working == target.dtype:
            np.subtract(rows, self.shift.astype(working), out=target, dtype=working)
            if self.exponent:
                np.ldexp(target, -self.exponent, out=target)
            return
        moved = np.subtract(rows, self.shift, dtype=working)
        target[:] = np.ldexp(moved, -self.exponent) if self.exponent else moved


@dataclass(frozen=True, eq=False)
class RowBlock:
    """A block of rows in the frame of its view, made once and used by the view and by all its pairs.

    Args:
        augmented: [m, d + 2] in the frame, or [m, 2 d + 1] with squares, C-contiguous.
        squares: [m] float64, squared norms.
    """

    augmented: Floats
    squares: F64

    @classmethod
    def of(cls, rows: Floats, frame: Frame, *, exact: bool, squares: bool = False) -> "RowBlock":
        """Takes rows into the frame; `exact` asks for float64 products, `squares` for those of single entries."""
        m, d = rows.shape
        augmented: Floats = np.empty((m, width(d, squares=squares)), np.float64 if exact else np.float32)
        moved = augmented[:, :d]
        frame.write(rows, moved)
        norms = _squared_norms(moved)
        if squares:
            np.multiply(moved, moved, out=augmented[:, d : 2 * d])
        else:
            augmented[:, d] = norms
        augmented[:, -1] = 1.0
        return cls(augmented, norms)


def _squared_norms(rows: Floats) -> F64:
    """[m] float64: those of float32 rows from sums of a few entries each, whose rounding averages out over rows."""
    if rows.dtype == np.float64:
        return np.asarray(np.einsum("ij,ij->i", rows, rows))
    m, d = rows.shape
    whole = d - d % _RUN
    runs, rest = rows[:, :whole].reshape(m, -1, _RUN), rows[:, whole:]
    found: F64 = np.einsum("ijk,ijk->ij", runs, runs).sum(axis=1, dtype=np.float64)
    found += np.einsum("ij,ij->i", rest, rest, dtype=np.float64)
    return found


def width(d: int, *, squares: bool) -> int:
    """Entries of an augmented row of d dimensions."""
    return 2 * d + 1 if squares else d + 2


def _corner(left: RowBlock, right: RowBlock) -> F64:
    """[2, 2]: the moments of the squared norms, in float64 since debiasing takes differences of them."""
    return np.array(
        [
            [left.squares @ right.squares, left.squares.sum()],
            [right.squares.sum(), float(len(left.squares))],
        ]
    )


def _move_rows(state: F64, delta: F64) -> None:
    """Moves the origin of axis 0 by `delta`, in place: x -> x - delta, |x|^2 -> |x|^2 - 2 x.delta + |delta|^2."""
    d = len(delta)
    if len(state) == d + 2:
        state[d] += (delta @ delta) * state[-1] - 2.0 * np.einsum("i,ij->j", delta, state[:d])
    else:
        state[d:-1] += np.multiply.outer(delta * delta, state[-1]) - (2.0 * delta)[:, None] * state[:d]
    state[:d] -= np.multiply.outer(delta, state[-1])


def _reframe_rows(state: F64, old: Frame, new: Frame) -> None:
    """Takes axis 0 from one frame to another, in place."""
    if old is new:
        return
    _move_rows(state, np.ldexp(new.shift - old.shift, -old.exponent))
    if old.exponent != new.exponent:
        factor, d = 2.0 ** (old.exponent - new.exponent), len(new.shift)
        state[:d] *= factor
        state[d:-1] *= factor * factor


def _treated_frame(treatment: Treatment, frame: Frame) -> Frame:
    """The frame of treated rows, whose mean is 0; standardised ones have a unit spread."""
    return Frame(np.zeros(len(treatment.kept)), frame.exponent if treatment.unit is None else 0)


def _treat_rows(state: F64, treatment: Treatment, exponent: int) -> F64:
    """From squares about the mean to the treated rows, their squared norm and 1, along axis 0."""
    d = len(state) // 2
    scale = np.ones(len(treatment.kept)) if treatment.unit is None else np.ldexp(1.0 / treatment.unit, exponent)
    return np.concatenate(
        [
            state[treatment.kept] * scale[:, None],
            np.einsum("i,ij->j", scale * scale, state[d + treatment.kept])[None],
            state[-1:],
        ]
    )


class ViewMoments:
    """Second moment of the augmented rows of one view at one layer.

    Args:
        frame: Origin and unit, shared by all who add to it.
        squares: Whether those of single entries are kept.
    """

    def __init__(self, frame: Frame, *, squares: bool = False) -> None:
        k = width(len(frame.shift), squares=squares)
        self.frame = frame
        self.squares = squares
        # Only the lower triangle is kept up to date: half the products.
        self._lower = np.zeros((k, k))

    @property
    def n(self) -> int:
        """Rows taken."""
        return int(self._lower[-1, -1])

    @property
    def d(self) -> int:
        """Dimensions of a row."""
        return len(self.frame.shift)

    def add(self, block: RowBlock) -> None:
        """Takes a block of rows that are in this frame; with squares in float64."""
        if block.augmented.dtype == np.float64:
            self._lower = plus_gram(self._lower, block.augmented)
            return
        corner = self._lower[-2:, -2:] + _corner(block, block)
        self._lower = plus_gram(self._lower, block.augmented)
        self._lower[-2:, -2:] = corner

    def merge(self, other: "ViewMoments") -> "ViewMoments":
        """The moments of the rows of both, in this one's frame."""
        merged = ViewMoments(self.frame, squares=self.squares)
        merged._lower = self._lower + np.tril(_reframe_view(other.state(), other.frame, self.frame))
        return merged

    def state(self) -> F64:
        """[d + 2, d + 2] float64, symmetric, or [2 d + 1, 2 d + 1] with squares: the sum of a a'."""
        return mirrored(self._lower)

    def centred(self) -> F64:
        """The state about the mean of its rows, in the frame's unit. Raises nothing; n must be positive."""
        return _reframe_view(self.state(), self.frame, self.mean_frame())

    def mean_frame(self) -> Frame:
        """The frame whose origin is the mean."""
        offset = self._lower[-1, : self.d] / max(self.n, 1)
        return Frame(self.frame.shift + np.ldexp(offset, self.frame.exponent), self.frame.exponent)

    def spread(self) -> Spread:
        """Mean and sum of squares of each dimension, in the unit of the data."""
        d, exponent = self.d, self.frame.exponent
        squares = np.diagonal(self._lower)[:d]
        offset = self._lower[-1, :d] / max(self.n, 1)
        about = np.maximum(squares - offset * self._lower[-1, :d], 0.0)
        # What a difference leaves of two equal numbers is their rounding.
        about[about <= _ROUNDING * squares] = 0.0
        return Spread(self.n, self.mean_frame().shift, np.ldexp(np.sqrt(about), exponent))

    def treated(self, treatment: Treatment) -> "ViewMoments":
        """The moments of the treated rows, from squares."""
        found = ViewMoments(_treated_frame(treatment, self.frame))
        half = _treat_rows(self.centred(), treatment, self.frame.exponent)
        found._lower = np.tril(_treat_rows(half.T, treatment, self.frame.exponent))
        return found


def _reframe_view(state: F64, old: Frame, new: Frame) -> F64:
    """Takes both axes from one frame to another, in place."""
    _reframe_rows(state, old, new)
    _reframe_rows(state.T, old, new)
    return state


class CrossMoments:
    """Moment of the augmented rows of two views: the sum of a_x a_y' over items that both hold.

    Args:
        left: Frame of the left view.
        right: Frame of the right view.
        squares: Whether those of single entries are kept.
    """

    def __init__(self, left: Frame, right: Frame, *, squares: bool = False) -> None:
        self.left = left
        self.right = right
        self.squares = squares
        self._state = np.zeros((width(len(left.shift), squares=squares), width(len(right.shift), squares=squares)))

    @property
    def n(self) -> int:
        """Pairs of rows taken."""
        return int(self._state[-1, -1])

    def add(self, left: RowBlock, right: RowBlock) -> None:
        """Takes two blocks whose rows belong together one by one; with squares in float64."""
        if left.augmented.dtype == np.float64:
            self._state = plus_cross(self._state, left.augmented, right.augmented)
            return
        corner = self._state[-2:, -2:] + _corner(left, right)
        self._state = plus_cross(self._state, left.augmented, right.augmented)
        self._state[-2:, -2:] = corner

    def merge(self, other: "CrossMoments") -> "CrossMoments":
        """The moments of the pairs of both, in this one's frames."""
        merged = CrossMoments(self.left, self.right, squares=self.squares)
        merged._state = self._state + other.reframed(self.left, self.right)
        return merged

    def state(self) -> F64:
        """[p + 2, q + 2] float64, or [2 p + 1, 2 q + 1] with squares."""
        return self._state.copy()

    def reframed(self, left: Frame, right: Frame) -> F64:
        """The state in other frames."""
        state = self.state()
        _reframe_rows(state, self.left, left)
        _reframe_rows(state.T, self.right, right)
        return state

    def treated(self, left: ViewMoments, right: ViewMoments, treatments: tuple[Treatment, Treatment]) -> "CrossMoments":
        """The moments of the treated rows, from squares.

        Args:
            left: Moments of the left view over the same items.
            right: Moments of the right view over the same items.
            treatments: Treatments of the two views.
        """
        first, second = treatments
        found = CrossMoments(_treated_frame(first, left.frame), _treated_frame(second, right.frame))
        half = _treat_rows(self.reframed(left.mean_frame(), right.mean_frame()), first, left.frame.exponent)
        found._state = np.ascontiguousarray(_treat_rows(half.T, second, right.frame.exponent).T)
        return found

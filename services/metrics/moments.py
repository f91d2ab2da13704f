"""Mergeable sufficient statistics of rows and of pairs of rows, in one pass and O(d^2) memory.

The state of a view is the second moment of the *augmented* row `a = (x, |x|^2, 1)`, that of a pair is the moment
`sum a_x a_y'`. It holds every sum that biased and debiased linear CKA, SVCCA and their jackknife need (Song et al.
2012, equation 5, with the diagonal sums split off as in `hsic.py`): n, sum x, X'X, sum |x|^2 x, sum |x|^4, X'Y, sum
|x|^2 |y|^2, ... Merging is addition. Moving the origin is the linear map `a -> a T`, hence a congruence of the state,
exact in exact arithmetic.

Rows are taken relative to a `Frame` (an origin near the mean, a power of two near the spread), because the sums cancel
badly otherwise. Products run in float64 for the first `FLOAT64_ROWS` rows; after that in float32 on bounded blocks that
are added up in float64, where the rounding of the blocks averages out below 1e-7.
"""

from dataclasses import dataclass
from typing import Final

import numpy as np

from services.metrics.arrays import F64, Floats
from services.metrics.products import cross, lower_gram, mirrored, times

FLOAT64_ROWS: Final = 4096
"""Rows whose products are computed in float64, so that float32 is only used where its rounding averages out."""

BLOCK_ROWS: Final = 1024
"""Rows of one matrix product: float32 sums stay short, and adding a block to the float64 state costs a tenth of it."""

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
        # Means of values near the largest double overflow as sums: add up halves of the scale.
        largest = float(np.max(np.abs(rows), initial=0.0))
        unit = 2.0 ** max(np.frexp(largest)[1] - 1, -1000) if largest > 0 else 1.0
        shift = np.mean(rows.astype(np.float64) / unit, axis=0) * unit
        if rows.dtype == np.float32:
            # A float32 origin makes `x - shift` in float32 as exact as the data.
            shift = shift.astype(np.float32).astype(np.float64)
        spread = np.abs(rows - shift)
        peak = float(np.max(spread, initial=0.0))
        if peak == 0.0:
            return cls(shift)
        exponent = int(np.frexp(peak * float(np.sqrt(np.mean((spread / peak) ** 2))))[1])
        return cls(shift, exponent if abs(exponent) > _HARMLESS_EXPONENT else 0)

    def apply(self, rows: Floats, dtype: type[np.float32] | type[np.float64]) -> Floats:
        """Rows in this frame.

        Args:
            rows: [n, d].
            dtype: Precision of the result.

        Returns:
            [n, d] C-contiguous.
        """
        working = np.float32 if rows.dtype == np.float32 and dtype is np.float32 else np.float64
        moved = np.subtract(rows, self.shift.astype(working), dtype=working)
        if self.exponent:
            moved = np.ldexp(moved, -self.exponent)
        return np.ascontiguousarray(moved, dtype=dtype)


@dataclass(frozen=True, eq=False)
class Block:
    """A block of rows in the frame of its view, made once and used by the view and by all its pairs.

    Args:
        rows: [m, d] in the frame, C-contiguous.
        squares: [m] float64, squared norms.
    """

    rows: Floats
    squares: F64

    @classmethod
    def of(cls, rows: Floats, frame: Frame, *, exact: bool) -> "Block":
        """Takes rows into the frame; `exact` asks for float64 products."""
        moved = frame.apply(rows, np.float64 if exact else np.float32)
        return cls(moved, np.einsum("ij,ij->i", moved, moved, dtype=np.float64))

    @property
    def borders(self) -> Floats:
        """[m, 2]: the last two entries of the augmented rows, in the precision of the rows."""
        return np.stack([self.squares, np.ones_like(self.squares)], axis=1).astype(self.rows.dtype)


def _corner(left: Block, right: Block) -> F64:
    """[2, 2]: the moments of the squared norms, in float64 since debiasing takes differences of them."""
    return np.array(
        [
            [left.squares @ right.squares, left.squares.sum()],
            [right.squares.sum(), float(len(left.squares))],
        ]
    )


def _move_rows(state: F64, delta: F64) -> F64:
    """Moves the origin of axis 0 by `delta`: x -> x - delta, |x|^2 -> |x|^2 - 2 x.delta + |delta|^2."""
    d = len(delta)
    moved = state.copy()
    moved[:d] -= np.multiply.outer(delta, state[d + 1])
    moved[d] += (delta @ delta) * state[d + 1] - 2.0 * times(delta[None], state[:d])[0]
    return moved


def _scale_rows(state: F64, factor: float) -> F64:
    """Changes the unit of axis 0, in place."""
    state[:-2] *= factor
    state[-2] *= factor * factor
    return state


def _reframe_rows(state: F64, old: Frame, new: Frame) -> F64:
    """Takes axis 0 from one frame to another."""
    if old is new:
        return state
    moved = _move_rows(state, np.ldexp(new.shift - old.shift, -old.exponent))
    return _scale_rows(moved, 2.0 ** (old.exponent - new.exponent))


class ViewMoments:
    """Second moment of the augmented rows of one view at one layer.

    Args:
        frame: Origin and unit, shared by all who add to it.
    """

    def __init__(self, frame: Frame) -> None:
        d = len(frame.shift)
        self.frame = frame
        # Only the lower triangle is kept up to date: half the products.
        self._lower = np.zeros((d + 2, d + 2))

    @property
    def n(self) -> int:
        """Rows taken."""
        return int(self._lower[-1, -1])

    @property
    def d(self) -> int:
        """Dimensions of a row."""
        return len(self.frame.shift)

    def add(self, block: Block) -> None:
        """Takes a block of rows that are in this frame."""
        d = self.d
        self._lower[:d, :d] += lower_gram(block.rows)
        self._lower[d:, :d] += cross(block.borders, block.rows)
        self._lower[d:, d:] += _corner(block, block)

    def merge(self, other: "ViewMoments") -> "ViewMoments":
        """The moments of the rows of both, in this one's frame."""
        merged = ViewMoments(self.frame)
        merged._lower = self._lower + np.tril(_reframe_view(other.state(), other.frame, self.frame))
        return merged

    def state(self) -> F64:
        """[d + 2, d + 2] float64, symmetric: the sum of a a'."""
        return mirrored(self._lower)

    def centred(self) -> F64:
        """The state about the mean of its rows, in the frame's unit. Raises nothing; n must be positive."""
        state = self.state()
        return _reframe_view(state, self.frame, self.mean_frame())

    def mean_frame(self) -> Frame:
        """The frame whose origin is the mean."""
        offset = self._lower[-1, : self.d] / max(self.n, 1)
        return Frame(self.frame.shift + np.ldexp(offset, self.frame.exponent), self.frame.exponent)


def _reframe_view(state: F64, old: Frame, new: Frame) -> F64:
    return _reframe_rows(_reframe_rows(state, old, new).T, old, new)


class CrossMoments:
    """Moment of the augmented rows of two views: the sum of a_x a_y' over items that both hold.

    Args:
        left: Frame of the left view.
        right: Frame of the right view.
    """

    def __init__(self, left: Frame, right: Frame) -> None:
        self.left = left
        self.right = right
        self._state = np.zeros((len(left.shift) + 2, len(right.shift) + 2))

    @property
    def n(self) -> int:
        """Pairs of rows taken."""
        return int(self._state[-1, -1])

    def add(self, left: Block, right: Block) -> None:
        """Takes two blocks whose rows belong together one by one."""
        p, q = left.rows.shape[1], right.rows.shape[1]
        self._state[:p, :q] += cross(left.rows, right.rows)
        self._state[p:, :q] += cross(left.borders, right.rows)
        self._state[:p, q:] += cross(left.rows, right.borders)
        self._state[p:, q:] += _corner(left, right)

    def merge(self, other: "CrossMoments") -> "CrossMoments":
        """The moments of the pairs of both, in this one's frames."""
        merged = CrossMoments(self.left, self.right)
        merged._state = self._state + other.reframed(self.left, self.right)
        return merged

    def state(self) -> F64:
        """[p + 2, q + 2] float64."""
        return self._state.copy()

    def reframed(self, left: Frame, right: Frame) -> F64:
        """The state in other frames, [p + 2, q + 2]."""
        return _reframe_rows(_reframe_rows(self._state, self.left, left).T, self.right, right).T

"""The sums of CKA from two centred Gram matrices, whatever the kernel behind them."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Protocol

import numpy as np

from services.metrics.arrays import F64
from services.metrics.sums.crew import side_by_side
from services.metrics.sums.hsic import HsicSums, RowTerms
from services.metrics.sums.products import times

_ROWS: Final = 32
"""Rows of all Gram matrices that are in the cache together."""

_NUMBERS: Final = 1 << 20
"""Numbers of these rows, at most, where they are copied to be multiplied."""

_DENSE: Final = 0.5
"""Share of all pairs from which on they are multiplied all at once."""


class Grams(Protocol):
    """One side of a pair by its centred Gram matrix K."""

    n: int
    d: int
    squares: F64

    @property
    def gram(self) -> F64:
        """[n, n]: K."""

    @property
    def products(self) -> F64:
        """[n]: sum of K_ij^2 over j."""

    @property
    def cubes(self) -> F64:
        """[n]: sum of K_ij K_jj over j."""


@dataclass(eq=False)
class GramSide:
    """One side of a pair that is only its centred Gram matrix K.

    Args:
        n: Rows.
        d: Dimensions of the rows behind it.
        gram: [n, n] K.
        squares: [n] K_ii.
        products: [n] sum of K_ij^2 over j.
        cubes: [n] sum of K_ij K_jj over j.
    """

    n: int
    d: int
    gram: F64
    squares: F64
    products: F64
    cubes: F64


@dataclass(frozen=True, eq=False)
class Meeting:
    """What two Gram matrices K and L with the diagonals k and l give together. All [n].

    Args:
        xy: Sum of K_ij L_ij over j.
        xl: K l.
        yk: L k.
    """

    xy: F64
    xl: F64
    yk: F64


class Meetings:
    """The meetings of many pairs of few Gram matrices, made together at the first that is asked for.

    A pair by itself reads both matrices from memory twice. Here each is multiplied once by all the diagonals that it
    meets, and the rows of all of them pass through the cache together.

    Args:
        sides: Centred Gram matrices of the views, by number.
        pairs: Numbers of the sides that meet, left and right.
        check: Called between rows; raises to stop the work.
    """

    def __init__(self, sides: Mapping[int, Grams], pairs: Sequence[tuple[int, int]], check: Callable[[], None]) -> None:
        self._sides = sides
        self._pairs = pairs
        self._check = check
        self._made: dict[tuple[int, int], Meeting] = {}

    def of(self, pair: tuple[int, int]) -> Meeting:
        """The meeting of a pair."""
        if not self._made:
            self._made = self._make()
        return self._made[pair]

    def _make(self) -> dict[tuple[int, int], Meeting]:
        others: dict[int, list[int]] = {number: [] for number in self._sides}
        for a, b in self._pairs:
            for number, other in {(a, b), (b, a)}:
                others[number].append(other)
        sides = [
            (side, [self._sides[other].squares for other in others[number]]) for number, side in self._sides.items()
        ]
        products = side_by_side(_applied, sides, self._check)
        met = {
            number: dict(zip(others[number], found, strict=True))
            for number, found in zip(others, products, strict=True)
        }
        xy = self._inner_products(next(iter(self._sides.values())).n)
        return {(a, b): Meeting(xy[a, b], met[a][b], met[b][a]) for a, b in self._pairs}

    def _inner_products(self, n: int) -> dict[tuple[int, int], F64]:
        """[n] sum of K_ij L_ij over j, of each pair."""
        lefts, rights = (list(dict.fromkeys(side)) for side in zip(*self._pairs, strict=True))
        found = {pair: np.empty(n) for pair in self._pairs}
        places = {(a, b): (i, j) for i, a in enumerate(lefts) for j, b in enumerate(rights)}
        # Where nearly all meet all, one product a row of all Gram matrices makes them.
        dense = _DENSE * len(lefts) * len(rights) <= len(found)
        rows = max(1, min(_ROWS, _NUMBERS // ((len(lefts) + len(rights)) * n))) if dense else _ROWS

        def sum_rows(part: slice) -> None:
            if not dense:
                for (a, b), sums in found.items():
                    np.einsum("ij,ij->i", self._sides[a].gram[part], self._sides[b].gram[part], out=sums[part])
                return
            one, other = (
                np.stack([self._sides[number].gram[part] for number in side], axis=1) for side in (lefts, rights)
            )
            products = np.matmul(one, other.transpose(0, 2, 1))
            for pair, sums in found.items():
                sums[part] = products[:, *places[pair]]

        side_by_side(sum_rows, [slice(start, start + rows) for start in range(0, n, rows)], self._check)
        return found


def _applied(side: tuple[Grams, Sequence[F64]]) -> F64:
    """[m, n]: a Gram matrix times m vectors; what its view needs of it by itself is made as well."""
    own, vectors = side
    _ = own.products
    both = times(own.gram, np.stack(vectors, axis=1))
    _ = own.cubes
    return np.ascontiguousarray(both.T)


class GramPair:
    """The sums of CKA from two centred Gram matrices.

    Args:
        left: Centred Gram matrix of the left view.
        right: Centred Gram matrix of the same items in the right view.
        meeting: Gives what the two have together, where it is made for many pairs at once.
    """

    def __init__(self, left: Grams, right: Grams, meeting: Callable[[], Meeting] | None = None) -> None:
        self._meeting = meeting or self._meet
        self._left = left
        self._right = right
        self._terms: RowTerms | None = None
        self.n, self.p, self.q = left.n, left.d, right.d

    def terms(self) -> RowTerms:
        """The terms of all rows, from the two Gram matrices."""
        if self._terms is None:
            meeting = self._meeting()
            self._terms = RowTerms(
                k=self._left.squares,
                l=self._right.squares,
                xy=meeting.xy,
                xx=self._left.products,
                yy=self._right.products,
                xk=self._left.cubes,
                xl=meeting.xl,
                yk=meeting.yk,
                yl=self._right.cubes,
            )
        return self._terms

    def _meet(self) -> Meeting:
        left, right = self._left.gram, self._right.gram
        k, l = self._left.squares, self._right.squares  # noqa: E741 - the diagonal of L
        xy = np.einsum("ij,ij->i", left, right)
        return Meeting(xy, times(left, l[:, None])[:, 0], times(right, k[:, None])[:, 0])

    def hsic(self) -> HsicSums:
        """The sums of linear CKA: the terms of all rows added up."""
        terms = self.terms()
        k, l = terms.k, terms.l  # noqa: E741 - the diagonal of L
        return HsicSums(
            n=self.n,
            xy=float(terms.xy.sum()),
            xx=float(terms.xx.sum()),
            yy=float(terms.yy.sum()),
            kl=float(k @ l),
            kk=float(k @ k),
            ll=float(l @ l),
            k=float(k.sum()),
            l=float(l.sum()),
        )

"""The sums of CKA from two centred Gram matrices, whatever the kernel behind them."""

from dataclasses import dataclass
from typing import Protocol

import numpy as np

from services.metrics.arrays import F64
from services.metrics.hsic import HsicSums, RowTerms
from services.metrics.products import times


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


class GramPair:
    """The sums of CKA from two centred Gram matrices.

    Args:
        left: Of the left view.
        right: Of the same items in the right view.
    """

    def __init__(self, left: Grams, right: Grams) -> None:
        self._left = left
        self._right = right
        self._terms: RowTerms | None = None
        self.n, self.p, self.q = left.n, left.d, right.d

    def terms(self) -> RowTerms:
        """The terms of all rows, from the two Gram matrices."""
        if self._terms is None:
            left, right = self._left.gram, self._right.gram
            k, l = self._left.squares, self._right.squares  # noqa: E741 - the diagonal of L
            self._terms = RowTerms(
                k=k,
                l=l,
                xy=np.einsum("ij,ij->i", left, right),
                xx=self._left.products,
                yy=self._right.products,
                xk=self._left.cubes,
                xl=times(left, l[:, None])[:, 0],
                yk=times(right, k[:, None])[:, 0],
                yl=self._right.cubes,
            )
        return self._terms

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

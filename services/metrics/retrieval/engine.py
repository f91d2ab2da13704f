"""Ranks of right answers, exact, on the CPU or another device of torch."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Final

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from services.metrics.arrays import F64, Floats
from services.metrics.errors import Degenerate
from services.metrics.retrieval.crew import Crew, crew_for
from services.metrics.retrieval.gold import Gold, Indices
from services.metrics.retrieval.nearest import Nearest
from services.metrics.retrieval.offsets import Neighbourhood, NoOffset, Offset
from services.metrics.retrieval.products import NOTHING, Products
from services.metrics.retrieval.sides import BLOCK, Side
from services.metrics.retrieval.tally import Tally
from services.metrics.sums.accumulate import nothing
from services.metrics.sums.cosines import check_equal_width

Check = Callable[[], None]
"""Called between tiles; raises to stop the work."""

Ranks = NDArray[np.int64]
"""[queries] rank of each query's best right answer, from 1, queries in ascending order of their rows."""

_SPARE: Final = 2
"""Neighbours kept beyond k, so that rounding cannot leave a nearer one out."""


_NO_GOLD: Final = Gold.aligned(0)


@dataclass(frozen=True, eq=False)
class Retrieved:
    """Ranks of one similarity.

    Args:
        forward: Left queries among all right rows.
        backward: Right queries among all left rows.
    """

    forward: Ranks
    backward: Ranks


def retrieve(
    left: Floats,
    right: Floats,
    similarities: Sequence[str] = ("cosine", "csls"),
    *,
    gold: Gold | None = None,
    csls_k: int = 10,
    centre: bool = False,
    device: str = "auto",
    check: Check = nothing,
) -> dict[str, Retrieved]:
    """Ranks of right answers among all rows of the other view.

    Args:
        left: [n, d], finite.
        right: [m, d], finite.
        similarities: Similarities to rank by, of `cosine` and `csls`.
        gold: Right answers; None where row i of one view belongs to row i of the other.
        csls_k: Neighbours over which CSLS averages, of all rows of the other view.
        centre: Subtract each view's mean first.
        device: Device of the matrix products: `auto`, `cpu` or `cuda:0`.
        check: Called between tiles; raises to stop the work.

    Returns:
        By similarity.

    Raises:
        Degenerate: No rows, no gold, unequal dimensions, a row of zeros, or fewer rows than `csls_k` for CSLS.
    """
    check_sizes(left.shape, right.shape, similarities, csls_k)
    gold = check_gold(gold, len(left), len(right), left.shape[1])
    target = pick_device(device)
    with crew_for(target) as crew:

        def search() -> dict[str, Retrieved]:
            one, other = (Side(rows, centre, target, crew) for rows in (left, right))
            return _Search(one, other, gold, crew, check).run(similarities, csls_k)

        return crew.lead(search)


def pick_device(name: str) -> torch.device:
    """A device of torch by name; `auto` takes a GPU if there is one."""
    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "cpu"
    return torch.device(name)


def check_sizes(left: tuple[int, ...], right: tuple[int, ...], similarities: Sequence[str], csls_k: int) -> None:
    """Refuses views of unequal dimensions or with too few rows.

    Args:
        left: Shape of the left view.
        right: Shape of the right view.
        similarities: Wanted.
        csls_k: Neighbours of CSLS.

    Raises:
        Degenerate: Naming n and d.
    """
    check_equal_width(left[1], right[1])
    n, m = left[0], right[0]
    sizes = f"n={n}" if n == m else f"n={n} and {m}"
    if min(n, m) < 1:
        raise Degenerate(f"Expected at least 1 row to retrieve, but got {sizes} (d={left[1]})")
    if "csls" in similarities and min(n, m) < csls_k:
        raise Degenerate(f"Expected at least csls_k={csls_k} rows for CSLS, but got {sizes} (d={left[1]})")


def check_gold(gold: Gold | None, n: int, m: int, d: int) -> Gold:
    """The right answers, row by row where none are given.

    Raises:
        Degenerate: There are none, or rows do not come in pairs.
    """
    if gold is None:
        if n != m:
            raise Degenerate(
                f"Expected as many rows on both sides where they come in pairs, but got n={n} and {m} (d={d})"
            )
        return Gold.aligned(n)
    if not len(gold.left):
        raise Degenerate(f"Expected at least 1 gold pair, but got none (n={n} and {m}, d={d})")
    return gold


class _Search:
    """One retrieval."""

    def __init__(self, left: Side, right: Side, gold: Gold, crew: Crew, check: Check) -> None:
        self._left, self._right, self._gold, self._crew, self._check = left, right, gold, crew, check
        self._forward, self._backward = np.unique(gold.left), np.unique(gold.right)
        # Few queries among many rows: two narrow passes cost less than one over everything.
        narrow = len(self._forward) * right.n + left.n * len(self._backward)
        self._narrow = narrow < left.n * right.n
        self._whole: Products | None = None
        self._cosines: Tensor | None = None

    def run(self, similarities: Sequence[str], csls_k: int) -> dict[str, Retrieved]:
        """Ranks by similarity."""
        found = {}
        device = self._left.device
        plain = (NoOffset(self._left.n, device), NoOffset(self._right.n, device))
        near = None
        if "csls" in similarities:
            sizes = ((self._left.n, self._right.n), (self._right.n, self._left.n))
            near = [Nearest(n, min(csls_k + _SPARE, others), device) for n, others in sizes]
        if "cosine" in similarities:
            found["cosine"] = self._ranks(plain, near)
        elif near:
            _scan(self._products(), near, (), _NO_GOLD, self._check)
        if near:
            found["csls"] = self._ranks(self._neighbourhoods(near, csls_k), None)
        return {name: found[name] for name in similarities}

    def _ranks(self, offsets: tuple[Offset, Offset], near: list[Nearest] | None) -> Retrieved:
        if near or not self._narrow:
            forward, backward = self._count(self._products(), self._gold, offsets, near, (True, False))
            return Retrieved(forward[self._forward], backward[self._backward])
        rows, columns = (torch.from_numpy(one).to(self._left.device) for one in (self._forward, self._backward))
        (forward,) = self._count(
            Products(self._left.subset(rows), self._right, self._crew),
            replace(self._gold, left=np.searchsorted(self._forward, self._gold.left)),
            (offsets[0].subset(rows), offsets[1]),
            None,
            (True,),
        )
        (backward,) = self._count(
            Products(self._left, self._right.subset(columns), self._crew),
            replace(self._gold, right=np.searchsorted(self._backward, self._gold.right)),
            (offsets[0], offsets[1].subset(columns)),
            None,
            (False,),
        )
        return Retrieved(forward, backward)

    def _count(
        self,
        products: Products,
        gold: Gold,
        offsets: tuple[Offset, Offset],
        near: list[Nearest] | None,
        directions: Sequence[bool],
    ) -> list[Ranks]:
        """Ranks of all rows (true) or columns (false)."""
        products.set_offsets(*offsets)
        rows, columns = (torch.from_numpy(one).to(products.left.device) for one in (gold.left, gold.right))
        if self._cosines is None:
            parts = [slice(start, start + BLOCK) for start in range(0, len(rows), BLOCK)]
            found = self._crew.map(lambda part: products.cosines(rows[part], columns[part]), parts)
            self._cosines = torch.cat(found)
        tallies = [Tally(products, rows, columns, self._cosines, of_rows=of_rows) for of_rows in directions]
        _scan(products, near or (), tallies, gold, self._check)
        return [tally.counts().cpu().numpy() + 1 for tally in tallies]

    def _neighbourhoods(self, near: list[Nearest], k: int) -> tuple[Offset, Offset]:
        """r_T and r_S: with 2 cos - r_T - r_S halved, half the mean cosine of each row to its k nearest."""
        products = self._products()
        offsets = []
        for own, other, found in ((self._left, self._right, near[0]), (self._right, self._left, near[1])):
            slack = products.slack(found.values.abs().amax(dim=1).double(), of_rows=own is self._left)
            values = found.values + products.origin
            offsets.append(Neighbourhood(own, other, values, found.indices, slack=slack, k=k))
        return offsets[0], offsets[1]

    def _products(self) -> Products:
        if self._whole is None:
            self._whole = Products(self._left, self._right, self._crew)
        return self._whole


def _scan(products: Products, near: Sequence[Nearest], tallies: Sequence[Tally], gold: Gold, check: Check) -> None:
    """One pass over all tiles: first the neighbours are noted, then the candidates counted.

    Args:
        products: Products that the scores are made from.
        near: Collectors of each row's and each column's nearest neighbours; empty where none are wanted.
        tallies: Counters of the candidates above the right answers.
        gold: Right answers, which are not counted.
        check: Called between tiles.
    """
    answers = _Answers(gold, products)

    def look(place: int) -> None:
        rows, space = products.rows[place], None
        for columns, tile in products.tiles(place):
            check()
            if near:
                near[0].see_rows(tile, rows, columns)
                near[1].see_columns(tile, rows, columns)
            if not tallies:
                continue
            right = answers.within(rows, columns)
            tile[right] = NOTHING
            if space is None:
                # The first tile is the largest.
                space = tile.new_empty(2 * tile.numel())
            mask = space[: 2 * tile.numel()].view(2, *tile.shape)
            for tally in tallies:
                tally.see(tile, mask, right, rows, columns)

    products.crew.map(look, range(len(products.rows)))


class _Answers:
    """Where right answers are in tiles: sorted by tile, found by bisection."""

    def __init__(self, gold: Gold, products: Products) -> None:
        self._products = products
        key = self._key(gold.left, gold.right // products.tile_columns)
        order = np.argsort(key, kind="stable")
        self._keys, self._left, self._right = key[order], gold.left[order], gold.right[order]

    def within(self, rows: slice, columns: slice) -> tuple[Tensor, Tensor]:
        """Rows and columns of the answers in a tile, counted from its corner."""
        key = self._key(np.int64(rows.start), np.int64(columns.start // self._products.tile_columns))
        part = slice(*np.searchsorted(self._keys, (key, key + 1)))
        left, right = self._left[part] - rows.start, self._right[part] - columns.start
        device = self._products.left.device
        return torch.from_numpy(left).to(device), torch.from_numpy(right).to(device)

    def _key(self, row: Indices | np.int64, block: Indices | np.int64) -> Indices:
        return np.asarray(row // self._products.tile_rows * len(self._products.columns) + block)


def reciprocal(ranks: Ranks) -> F64:
    """[n] reciprocal ranks, whose mean is MRR; 0 for a query whose right answers an index did not find."""
    return np.where(ranks > 0, 1.0 / np.maximum(ranks, 1), 0.0)


def hits(ranks: Ranks, k: int) -> int:
    """Queries whose best right answer is among the first k."""
    return int(np.count_nonzero((ranks > 0) & (ranks <= k)))

"""Running nearest of each row, or of each column, while scores come in tiles."""

import threading

import torch
from torch import Tensor

from services.metrics.retrieval.products import GROUP


class Nearest:
    """The k largest scores of each item seen so far, largest first, with where they were. Threads may share it.

    Args:
        n: Items.
        k: Scores kept of each.
        device: Device of the scores.
    """

    def __init__(self, n: int, k: int, device: torch.device) -> None:
        self.values = torch.full((n, k), -torch.inf, device=device)
        self.indices = torch.full((n, k), -1, dtype=torch.int64, device=device)
        self.k = k
        self._lock = threading.Lock()

    def see_rows(self, tile: Tensor, rows: slice, columns: slice) -> None:
        """Takes a tile into account whose rows are the items.

        Args:
            tile: [R, C] of which the first rows and columns are those named, the rest being less than any score.
            rows: Items.
            columns: Columns of the tile.
        """
        # A maximum of members that lie apart is taken along the tile's rows, whole vectors at a time.
        groups = tile.view(len(tile), GROUP, -1)
        maxima = groups.amax(dim=1)[: rows.stop - rows.start]
        bound = self._bound(maxima, rows)
        item, group = torch.nonzero(maxima >= bound[:, None], as_tuple=True)
        self._take(item, group, groups[item, :, group], bound, step=maxima.shape[1], items=rows, others=columns)

    def see_columns(self, tile: Tensor, rows: slice, columns: slice) -> None:
        """Takes a tile into account whose columns are the items; arguments as for `see_rows`."""
        groups = tile.view(GROUP, -1, tile.shape[1])
        maxima = groups.amax(dim=0)[:, : columns.stop - columns.start]
        bound = self._bound(maxima.T, columns)
        group, item = torch.nonzero(maxima >= bound, as_tuple=True)
        by_item = torch.argsort(item, stable=True)
        item, group = item[by_item], group[by_item]
        # Other tiles of these columns may be under way.
        self._take(item, group, groups[:, group, item].T, bound, step=len(maxima), items=columns, others=rows)

    def _bound(self, maxima: Tensor, items: slice) -> Tensor:
        """[items]: what one of the k largest must reach."""
        if int(self.indices[items.start, -1]) < 0 and maxima.shape[1] >= self.k:
            # Nothing has been seen yet: the k-th largest of the maxima of groups is a bound as well.
            return maxima.contiguous().topk(self.k, dim=1).values[:, -1]
        return self.values[items, -1]

    def _take(
        self, item: Tensor, group: Tensor, scores: Tensor, bound: Tensor, *, step: int, items: slice, others: slice
    ) -> None:
        """Takes the groups that hold a large score.

        Args:
            item: [g] of the tile, ascending.
            group: [g] first member's place.
            scores: [g, GROUP], whose members are `step` apart.
            bound: Smallest score that is still wanted, for each item of the tile.
            step: Between members.
            items: The tile's items.
            others: The tile's other side.
        """
        place = group[:, None] + torch.arange(GROUP, device=item.device) * step
        large = (scores >= bound[item, None]) & (place < others.stop - others.start)
        pick, member = torch.nonzero(large, as_tuple=True)
        if not len(pick):
            return
        touched, counts = torch.unique_consecutive(item[pick], return_counts=True)
        line = torch.repeat_interleave(torch.arange(len(touched), device=item.device), counts)
        slot = self.k + torch.arange(len(pick), device=item.device) - (counts.cumsum(0) - counts)[line]
        kept = items.start + touched
        width = self.k + int(counts.max())
        values = self.values.new_full((len(touched), width), -torch.inf)
        indices = self.indices.new_full((len(touched), width), -1)
        values[line, slot], indices[line, slot] = scores[pick, member], place[pick, member] + others.start
        with self._lock:
            values[:, : self.k], indices[:, : self.k] = self.values[kept], self.indices[kept]
            best = values.topk(self.k, dim=1)
            self.values[kept], self.indices[kept] = best.values, indices.gather(1, best.indices)

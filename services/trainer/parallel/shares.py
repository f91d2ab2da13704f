"""The pieces of a batch shared out among workers, deterministically and with about as many tokens for each."""

import heapq
from collections.abc import Sequence

import numpy as np

from services.trainer.data.pieces import Ints


def shares(lengths: Sequence[int] | Ints, workers: int) -> list[Ints]:
    """Places of a batch by worker.

    Pieces go to the worker with the fewest tokens so far, the longest first (Graham 1969), so that no worker has more
    than 4/3 of what the best split would give it. Of equal pieces the first comes first, of equal workers as well.

    Args:
        lengths: Tokens of each piece.
        workers: Number of workers.

    Returns:
        For each worker its places, in ascending order; each place belongs to exactly one. A worker has none where
        there are fewer pieces than workers.
    """
    sizes = np.asarray(lengths, dtype=np.int64)
    loads = [(0, worker) for worker in range(workers)]
    found: list[list[int]] = [[] for _ in range(workers)]
    for place in np.argsort(-sizes, kind="stable").tolist():
        tokens, worker = loads[0]
        found[worker].append(place)
        heapq.heapreplace(loads, (tokens + int(sizes[place]), worker))
    return [np.array(sorted(places), dtype=np.int64) for places in found]

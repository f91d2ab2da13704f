"""Dependency trees of greatest score with a single root (Chu and Liu 1965; Edmonds 1967)."""

import numpy as np
from numpy.typing import NDArray

F64 = NDArray[np.float64]
Ints = NDArray[np.int64]


def best_tree(scores: F64) -> Ints:
    """Heads of the tree of greatest score in which exactly one word hangs from the root.

    Args:
        scores: [n, n + 1] finite; row i has the scores of the heads of word i + 1, column 0 that of the root.

    Returns:
        [n] head of each word: 0 is the root, words count from 1.
    """
    words = len(scores)
    if words == 0:
        return np.zeros(0, dtype=np.int64)
    weights = np.full((words + 1, words + 1), -np.inf)
    weights[:, 1:] = np.asarray(scores, dtype=np.float64).T
    np.fill_diagonal(weights, -np.inf)
    heads = np.argmax(weights[:, 1:], axis=0)
    if (heads == 0).sum() == 1 and _cycle(np.concatenate(([0], heads))) is None:
        return np.asarray(heads, dtype=np.int64)
    # Two arcs from the root cost more than all that words could gain by them, so the best tree has one.
    finite = weights[np.isfinite(weights)]
    weights[0, 1:] -= (finite.max() - finite.min() + 1.0) * words
    return _arborescence(weights)[1:]


def _arborescence(weights: F64) -> Ints:
    """Heads of the spanning tree of greatest weight from node 0; `weights[h, d]` is that of the arc from h to d."""
    heads = np.concatenate(([0], np.argmax(weights[:, 1:], axis=0)))
    cycle = _cycle(heads)
    if cycle is None:
        return heads
    inside = np.zeros(len(heads), dtype=bool)
    inside[cycle] = True
    outside = np.flatnonzero(~inside)
    size = len(outside)
    # An arc into the cycle replaces the cycle's own arc into the same node.
    gains = weights[np.ix_(outside, cycle)] - weights[heads[cycle], cycle]
    entered = np.argmax(gains, axis=1)
    leaving = weights[np.ix_(cycle, outside)]
    left = np.argmax(leaving, axis=0)
    smaller = np.full((size + 1, size + 1), -np.inf)
    smaller[:size, :size] = weights[np.ix_(outside, outside)]
    smaller[:size, size] = gains[np.arange(size), entered]
    smaller[size, :size] = leaving[left, np.arange(size)]
    smaller[:, 0] = -np.inf
    found = _arborescence(smaller)
    joined = heads.copy()
    for place in range(1, size):
        head = found[place]
        joined[outside[place]] = cycle[left[place]] if head == size else outside[head]
    joined[cycle[entered[found[size]]]] = outside[found[size]]
    return joined


def _cycle(heads: Ints) -> Ints | None:
    """The nodes of one cycle; None where all nodes hang from node 0."""
    state = np.zeros(len(heads), dtype=np.int64)
    state[0] = -1
    for start in range(1, len(heads)):
        node = start
        while state[node] == 0:
            state[node] = start
            node = int(heads[node])
        if state[node] == start:
            cycle = [node]
            while (node := int(heads[node])) != cycle[0]:
                cycle.append(node)
            return np.array(sorted(cycle), dtype=np.int64)
        node = start
        while state[node] == start:
            state[node] = -1
            node = int(heads[node])
    return None

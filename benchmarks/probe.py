"""The machine's own limit around each round: a shared machine's speed can halve for a while."""

import time

import torch

SIZE = 768
STEADY = 0.12
"""Rounds whose probes before and after differ by more than this share are dropped."""


def gemm_rate(seconds: float = 0.1) -> float:
    """Rate of float32 matrix products on all threads, in FLOP/s: the best of what fits so many seconds."""
    left, right = torch.ones(SIZE, SIZE), torch.ones(SIZE, SIZE)
    best, until = 0.0, time.perf_counter() + seconds
    while (began := time.perf_counter()) < until:
        torch.mm(left, right)
        best = max(best, 2 * SIZE**3 / (time.perf_counter() - began))
    return best


def steady(before: float, after: float) -> bool:
    """Whether the machine ran alike before and after a round."""
    return abs(after / before - 1) <= STEADY

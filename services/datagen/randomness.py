"""Random numbers that depend on a seed and on names alone, so that batching and order cannot change a corpus."""

import hashlib

import numpy as np

DRAW_BYTES = 16
"""Bytes of one draw in an array that grows, at most."""


def seed_of(seed: int, before: int) -> int:
    """The seed of a transform that occurs in a pipeline several times.

    Two steps that code-switch, or sample, must not draw the same numbers for an example: each has a seed of its own.
    The first has the request's, so that what a transform draws does not depend on the other steps beside it.

    Args:
        seed: The request's.
        before: How many steps with the same transform come before.
    """
    if not before:
        return seed
    return int.from_bytes(hashlib.sha256(f"{seed}\x1f{before}".encode()).digest()[:8], "big", signed=True)


def generator(seed: int, *names: str) -> np.random.Generator:
    """A generator that depends on the seed and on names (the transform's, the example's id) and on nothing else.

    So the same seed gives the same corpus whatever the batching, the order of arrival or the number of workers.
    """
    digest = hashlib.sha256("\x1f".join((str(seed), *names)).encode()).digest()
    return np.random.default_rng(np.frombuffer(digest, dtype=np.uint32))


def draw(seed: int, *names: str) -> float:
    """One number in [0, 1) that depends on the seed and on names alone, where a whole generator is not needed."""
    digest = hashlib.sha256("\x1f".join((str(seed), *names)).encode()).digest()
    return (int.from_bytes(digest[:8], "big") >> 11) / 2**53

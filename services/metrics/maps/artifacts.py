"""One side of a map as an object of the store: safetensors with a matrix, means, and how rows are normalised."""

import json
from typing import Any, Final

import numpy as np
from safetensors.numpy import save

from services.metrics.arrays import F64
from services.metrics.maps.base import MapSide
from services.metrics.maps.normalisation import CENTRE
from services.metrics.sums.products import times

FORMAT: Final = 1
"""Of the objects; a reader refuses another one."""

KIND: Final = "maps"
SUFFIX: Final = ".safetensors"


def dump(side: MapSide, about: dict[str, Any]) -> bytes:
    """A side as bytes, the same for the same side and the same `about`.

    Tensors, all float64: `matrix` [d, d]; `means` [centres, d] where the normalisation subtracts any; `bias` [d] where
    the side is affine, so that `rows matrix + bias` is the whole of it.

    Args:
        side: The side to keep.
        about: What else it says of itself.
    """
    arrays: dict[str, Any] = {"matrix": np.ascontiguousarray(side.matrix, np.float64)}
    if len(side.normalisation.means):
        arrays["means"] = np.ascontiguousarray(side.normalisation.means, np.float64)
    if is_affine(side):
        arrays["bias"] = bias(side)
    # One entry: safetensors writes several in any order, and equal maps would get different names.
    return save(
        arrays, {"about": json.dumps({"format": FORMAT, "steps": side.normalisation.steps, **about}, sort_keys=True)}
    )


def is_affine(side: MapSide) -> bool:
    """Whether rows move by a matrix and a bias alone; not so where they are divided by their norms."""
    return set(side.normalisation.steps) <= {CENTRE}


def is_identity(side: MapSide) -> bool:
    """Whether rows stay where they are."""
    return not side.normalisation.steps and np.array_equal(side.matrix, np.eye(len(side.matrix)))


def bias(side: MapSide) -> F64:
    """[d] what an affine side adds to `rows matrix`."""
    shift: F64 = -side.normalisation.means.sum(axis=0, keepdims=True)
    moved: F64 = times(shift, side.matrix)[0]
    return moved

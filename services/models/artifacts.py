"""Vectors and matrices that the store keeps, as safetensors, for interventions that name them."""

import re
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError
from safetensors.numpy import load, save

from services.runtime.errors import FailedPrecondition, InvalidArgument

_NAME = re.compile(r"(vectors|maps)/[0-9a-f]{64}(\.safetensors)?")


_KINDS = {"vector": "vectors", "matrix": "maps", "bias": "vectors"}


class Objects(Protocol):
    """The part of the store that is read here."""

    def get(self, name: str) -> bytes:
        """The checked bytes of an object."""


def read_array(store: Objects, name: str, role: str, field: str) -> NDArray[Any]:
    """Reads an array by its name.

    Args:
        store: Store that holds the array.
        name: `vectors/SHA-256` or `maps/SHA-256`: a safetensors file with one tensor, or with one called `role`.
        role: `vector`, `matrix` or `bias`.
        field: Path of the name in its request, for the error.

    Raises:
        InvalidArgument: No such form of name.
        NotFound: No such object.
        FailedPrecondition: The object holds no such array.
        DataLoss: The object is damaged.
    """
    if not _NAME.fullmatch(name):
        raise InvalidArgument(
            field, f"Expected a name of the form vectors/SHA-256 or maps/SHA-256, but got {name[:200]!r}"
        )
    data = store.get(name)
    try:
        tensors = load(data)
    except (SafetensorError, KeyError) as error:
        raise FailedPrecondition(f"artifact {name}", f"Expected a safetensors file of arrays: {error}") from error
    if role in tensors:
        return tensors[role]
    if len(tensors) == 1:
        return next(iter(tensors.values()))
    raise FailedPrecondition(
        f"artifact {name}",
        f"Expected one tensor, or one called {role!r}, but got {', '.join(sorted(tensors)) or 'none'}",
    )


class Writable(Protocol):
    """The part of the store that is written here."""

    def put(self, kind: str, data: bytes, *, suffix: str = "") -> str:
        """Stores an object; its name."""


def write_array(store: Writable, array: NDArray[Any], role: str) -> str:
    """Stores an array, for `read_array`.

    Args:
        store: Store that receives the array.
        array: [d] or [d, d].
        role: `vector`, `matrix` or `bias`.

    Returns:
        Its name.
    """
    return store.put(_KINDS[role], save({role: np.ascontiguousarray(array)}), suffix=".safetensors")

"""Vectors and matrices that the store keeps, as safetensors, for interventions that name them."""

import json
import re
from collections.abc import Mapping, Sequence
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


def read_array(store: Objects, name: str, role: str, field: str, layer: int = 0) -> NDArray[Any]:
    """Reads an array by its name.

    Args:
        store: Store that holds the array.
        name: `vectors/SHA-256` or `maps/SHA-256`: a safetensors file with one tensor, or with one called `role`, or
            with vectors by layer as `write_layers` stores them.
        role: `vector`, `matrix` or `bias`.
        field: Path of the name in its request, for the error.
        layer: The one wanted of vectors by layer.

    Raises:
        InvalidArgument: No such form of name, or no vector of that layer.
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
    if set(tensors) == {"layers", "vectors"} and role != "matrix":
        layers = tensors["layers"].tolist()
        if layer not in layers:
            raise InvalidArgument(field, f"Expected a layer of {name}, one of {layers}, but got {layer}")
        vector: NDArray[Any] = tensors["vectors"][layers.index(layer)]
        return vector
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


class Stored(Objects, Writable, Protocol):
    """The part of the store that is read and written here."""


def write_layers(store: Writable, vectors: NDArray[np.float64], layers: Sequence[int], about: Mapping[str, Any]) -> str:
    """Stores vectors by layer, for `read_array`.

    Args:
        store: Store that receives the vectors.
        vectors: [K, d].
        layers: K layers.
        about: What else the object says of itself.

    Returns:
        Its name.
    """
    tensors = {"layers": np.asarray(layers, np.int64), "vectors": np.ascontiguousarray(vectors)}
    # One entry: safetensors writes several in any order, and equal vectors would get different names.
    data = save(tensors, {"about": json.dumps(dict(about), sort_keys=True)})
    return store.put("vectors", data, suffix=".safetensors")


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

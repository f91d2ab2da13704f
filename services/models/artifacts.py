"""Vectors and matrices that the store keeps, as safetensors, for interventions that name them."""

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError
from safetensors.numpy import load, save

from services.models.spec import ArrayOrigin
from services.runtime.errors import FailedPrecondition, InvalidArgument

_NAME = re.compile(r"(vectors|maps)/[0-9a-f]{64}(\.safetensors)?")


_KINDS = {"vector": "vectors", "matrix": "maps", "bias": "vectors"}


@dataclass(frozen=True, eq=False)
class Artifact:
    """An array of the store.

    Attributes:
        array: The array.
        digest: Digest of the model that it was computed with; empty where it does not say.
        model: Name of that model; empty where it does not say.
    """

    array: NDArray[Any]
    digest: str = ""
    model: str = ""


class Objects(Protocol):
    """The part of the store that is read here."""

    def get(self, name: str) -> bytes:
        """The checked bytes of an object."""


def read_array(store: Objects, name: str, role: str, field: str, layer: int = 0) -> Artifact:
    """Reads an array by its name, and what it says of the model behind it.

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
        tensors, about = load(data), _about(data)
    except (SafetensorError, KeyError, ValueError) as error:
        raise FailedPrecondition(f"artifact {name}", f"Expected a safetensors file of arrays: {error}") from error
    if set(tensors) == {"layers", "vectors"} and role != "matrix":
        layers = tensors["layers"].tolist()
        if layer not in layers:
            raise InvalidArgument(field, f"Expected a layer of {name}, one of {layers}, but got {layer}")
        return Artifact(tensors["vectors"][layers.index(layer)], **about)
    if role in tensors:
        return Artifact(tensors[role], **about)
    if len(tensors) == 1:
        return Artifact(next(iter(tensors.values())), **about)
    raise FailedPrecondition(
        f"artifact {name}",
        f"Expected one tensor, or one called {role!r}, but got {', '.join(sorted(tensors)) or 'none'}",
    )


def _about(data: bytes) -> dict[str, str]:
    """The model that arrays say they were computed with, by the header of their safetensors file.

    Raises:
        ValueError: What they say of themselves is no JSON.
    """
    header = json.loads(data[8 : 8 + int.from_bytes(data[:8], "little")])
    about = json.loads(header.get("__metadata__", {}).get("about", "{}"))
    found = {"digest": about.get("digest"), "model": about.get("model")} if isinstance(about, dict) else {}
    return {name: value for name, value in found.items() if isinstance(value, str)}


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


def write_map(store: Writable, matrix: NDArray[Any], bias: NDArray[Any]) -> str:
    """Stores a linear map with its bias, for `read_array`, which finds either by its role.

    Args:
        store: Store that receives the map.
        matrix: [d, d].
        bias: [d].

    Returns:
        Its name.
    """
    tensors = {"bias": np.ascontiguousarray(bias), "matrix": np.ascontiguousarray(matrix)}
    return store.put("maps", save(tensors), suffix=".safetensors")


def write_array(store: Writable, array: NDArray[Any], role: str, origin: ArrayOrigin | None = None) -> str:
    """Stores an array, for `read_array`.

    Args:
        store: Store that receives the array.
        array: [d] or [d, d].
        role: `vector`, `matrix` or `bias`.
        origin: The model that it was computed with; None where it is not known.

    Returns:
        Its name.
    """
    about = None if origin is None else {"about": json.dumps({"digest": origin.digest, "model": origin.model})}
    return store.put(_KINDS[role], save({role: np.ascontiguousarray(array)}, about), suffix=".safetensors")

"""Maps that the metrics server fitted: what it said of them, and the maps themselves to apply to rows."""

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from babelscope.calls.metrics import messages
from babelscope.calls.options import ViewOptions, check_options
from babelscope.calls.views import AnyView, Views
from babelscope.data.activations import Progress
from babelscope.data.models import Intervention, LinearMap, Positions
from babelscope.errors import DataCorrupted
from babelscope.v1 import metrics_pb2

_FORMAT: Final = 1
_TYPES: Final = {"F64": "<f8", "F32": "<f4"}
_LONGEST_HEADER: Final = 1 << 24


@dataclass(frozen=True, slots=True)
class FittedMap:
    """The map of one layer, as the server tells of it.

    Args:
        layer: The layer.
        source_map: Name in the store of what moves source rows, `maps/ID`.
        target_map: Name of what moves target rows; empty where they stay where they are.
        trace: The method's criterion after each of its steps.
        dictionary: What the map induces, (source id, target id), mutual nearest neighbours first.
        signature: All settings behind the map, in one line.
        affine: Whether rows move by a matrix and a bias alone; not so where they are divided by their norms.
        warnings: Warnings, in words.
    """

    layer: int
    source_map: str
    target_map: str
    trace: tuple[float, ...]
    dictionary: tuple[tuple[str, str], ...]
    signature: str
    affine: bool
    warnings: tuple[str, ...] = ()

    def intervention(
        self,
        layer: int | None = None,
        *,
        matrix_only: bool = False,
        positions: Positions | None = None,
        allow_other_model: bool = False,
    ) -> Intervention:
        """The source side's map as an edit of an encoder's hidden states, by its name in the store.

        Args:
            layer: Layer to apply it at; the layer that it was fitted at where None.
            matrix_only: Leave out the bias, and allow maps whose rows are divided by their norms: their matrix alone.
            positions: Positions touched; all where None.
            allow_other_model: Whether the map may be applied to another model than it was fitted on.

        Raises:
            ValueError: The map divides rows by their norms, which an intervention cannot do.
        """
        if not (self.affine or matrix_only):
            raise ValueError(
                "Expected a map fitted with `normalisation` none or centre, which a matrix and a bias apply exactly, "
                f"or `matrix_only=True`, but got {self.signature}"
            )
        bias = None if matrix_only else self.source_map
        linear = LinearMap(self.source_map, bias=bias, positions=positions)
        at = self.layer if layer is None else layer
        return Intervention(at, linear_map=linear, allow_other_model=allow_other_model)


@dataclass(frozen=True, slots=True, eq=False)
class StoredMap:
    """One side of a map, read from an object of the store.

    Args:
        matrix: [d, d] float64; rows are multiplied from the left.
        means: [centres, d] float64, the mean subtracted at each `centre`.
        steps: `unit` (divide each row by its norm) and `centre`, in order, before the matrix.
        about: What else the object says of itself: `side`, `view`, `layer`, `signature`, `pooling` and `digest`.
    """

    matrix: NDArray[np.float64]
    means: NDArray[np.float64]
    steps: tuple[str, ...]
    about: Mapping[str, Any]

    def transform(self, rows: NDArray[Any]) -> NDArray[np.float64]:
        """Moves rows of this side's language into the common space.

        Args:
            rows: [k, d].

        Returns:
            [k, d] float64.

        Raises:
            ValueError: Rows of another width, or a row of zeros where rows are divided by their norms.
        """
        moved = np.array(rows, np.float64)
        if moved.ndim != 2 or moved.shape[1] != len(self.matrix):
            raise ValueError(f"Expected `rows` as [k, {len(self.matrix)}], but got {list(moved.shape)}")
        means = iter(self.means)
        for step in self.steps:
            if step == "centre":
                moved -= next(means)
                continue
            norms = np.linalg.norm(moved, axis=1, keepdims=True)
            if not norms.all():
                raise ValueError(f"Expected rows that are not zero, but row {int(np.argmin(norms))} of {len(rows)} is")
            moved /= norms
        return moved @ self.matrix

    @property
    def model_digest(self) -> str:
        """Digest of the model that it was fitted on; empty where rows came from none."""
        return str(self.about.get("digest", ""))

    @property
    def affine(self) -> bool:
        """Whether rows move by a matrix and a bias alone."""
        return "unit" not in self.steps

    @property
    def bias(self) -> NDArray[np.float64]:
        """[d], what an affine side adds to `rows matrix`.

        Raises:
            ValueError: Rows are divided by their norms.
        """
        if not self.affine:
            raise ValueError(f"Expected a map fitted with `normalisation` none or centre, but got steps {self.steps}")
        shift: NDArray[np.float64] = -self.means.sum(axis=0) @ self.matrix
        return shift

    def into(self, target: "StoredMap | None", *, positions: Positions | None = None) -> LinearMap:
        """The edit that moves rows of this side's language to where the other language's own rows lie.

        The common space of a map has both languages centred, or turned; this goes on from there by the inverse of the
        other side.

        Args:
            target: The other side of the same map; None where its rows stay where they are.
            positions: Positions touched; all where None.

        Raises:
            ValueError: A side divides rows by their norms, or the other side has no inverse.
        """
        if target is None:
            return LinearMap(self.matrix, self.bias, positions, self.model_digest)
        try:
            back = np.linalg.inv(target.matrix)
        except np.linalg.LinAlgError:
            raise ValueError("Expected a target side that can be inverted, but its matrix is singular") from None
        return LinearMap(self.matrix @ back, (self.bias - target.bias) @ back, positions, self.model_digest)


def load_map(source: bytes | str | Path) -> StoredMap:
    """Reads a map.

    Args:
        source: The object's bytes, or the path of its file. In a store that is a folder, the object `maps/ID` lies at
            `maps/FIRST-TWO-LETTERS-OF-ID/ID`.

    Raises:
        DataCorrupted: The bytes are no map of a format that this version reads.
        OSError: The file cannot be read.
    """
    data = source if isinstance(source, bytes) else Path(source).read_bytes()
    try:
        tensors, about = _read_safetensors(data)
        if about["format"] != _FORMAT:
            raise DataCorrupted(f"Expected a map of format {_FORMAT}, but got {about['format']}")
        matrix, steps = tensors["matrix"], tuple(about.pop("steps"))
        means = tensors.get("means", np.zeros((0, len(matrix))))
        if matrix.ndim != 2 or steps.count("centre") != len(means) or set(steps) - {"centre", "unit"}:
            raise DataCorrupted(f"Expected as many means as steps that centre, but got {len(means)} and {steps}")
    except (KeyError, TypeError, ValueError) as error:
        raise DataCorrupted(f"Expected the safetensors of a map, but got {error!r}") from error
    return StoredMap(matrix, means, steps, {key: value for key, value in about.items() if key != "format"})


def _read_safetensors(data: bytes) -> tuple[dict[str, NDArray[np.float64]], dict[str, Any]]:
    """Tensors in float64 and metadata; the format is a length, a header in JSON, and the numbers."""
    length = int.from_bytes(data[:8], "little")
    if len(data) < 8 or length > min(len(data) - 8, _LONGEST_HEADER):
        raise ValueError("bytes without a header")
    header, body = json.loads(data[8 : 8 + length]), data[8 + length :]
    about = json.loads(header.pop("__metadata__")["about"])
    tensors = {}
    for name, entry in header.items():
        start, stop = entry["data_offsets"]
        flat = np.frombuffer(body[start:stop], _TYPES[entry["dtype"]])
        tensors[name] = flat.reshape(entry["shape"]).astype(np.float64)
    return tensors, about


class MapWork:
    """One call of `FitMap`, which can be made as often as it takes.

    Args:
        source: The source view.
        target: The target view.
        encoding: Encoding of views that give none of their own.
        method: Name of the method.
        seeds: Known translations by id.
        options: Options of the method.
        seed: Seed of all random draws.
    """

    method = "FitMap"

    def __init__(
        self,
        source: AnyView,
        target: AnyView,
        encoding: ViewOptions,
        *,
        method: str,
        seeds: Iterable[tuple[str, str]],
        options: Mapping[str, Any],
        seed: int,
    ) -> None:
        check_options(encoding, ViewOptions, "fit_map")
        self._views = Views({"source": source, "target": target}, encoding)
        left, right = self._views.protos
        self._spec = metrics_pb2.FitMapSpec(
            source=left,
            target=right,
            method=method,
            options={key: _option(value) for key, value in options.items()},
            seed=seed,
            seeds=[metrics_pb2.IdPair(source_id=one, target_id=other) for one, other in seeds],
        )

    def requests(self) -> Iterator[metrics_pb2.FitMapRequest]:
        """All messages, from the first."""
        return messages(metrics_pb2.FitMapRequest(spec=self._spec), self._views, metrics_pb2.FitMapRequest)

    def fold(self) -> "MapFold":
        """An empty fold for the answers of one attempt."""
        return MapFold()


def _option(value: Any) -> str:
    """An option as the contract has it."""
    return str(value).lower() if isinstance(value, bool) else str(value)


class MapFold:
    """Folds the answers of a `FitMap` call. Pure: both twins drive it."""

    def __init__(self) -> None:
        self._maps: dict[int, metrics_pb2.FittedMap] = {}

    def receive(self, response: metrics_pb2.FitMapResponse) -> Progress | None:
        """Takes an answer in; the progress where it tells of one."""
        which = response.WhichOneof("message")
        if which == "map":
            part = response.map
            if part.layer in self._maps:
                self._maps[part.layer].dictionary.extend(part.dictionary)
            else:
                self._maps[part.layer] = part
        elif which == "progress":
            told = response.progress
            return Progress(told.stage, told.done, told.total, told.detail)
        return None

    def finish(self) -> dict[int, FittedMap]:
        """The maps by layer, once the stream has ended.

        Raises:
            DataCorrupted: It ended without any.
        """
        if not self._maps:
            raise DataCorrupted("Expected a map at the end of the answer, but the stream ended without one")
        return {layer: _from_proto(found) for layer, found in self._maps.items()}


def _from_proto(found: metrics_pb2.FittedMap) -> FittedMap:
    """Reads a message of the contract."""
    return FittedMap(
        found.layer,
        found.source_map,
        found.target_map,
        tuple(found.trace),
        tuple((pair.source_id, pair.target_id) for pair in found.dictionary),
        found.signature,
        found.affine,
        tuple(found.warnings),
    )

"""The sums of a shard as objects of the store, and back: numbers in safetensors, their description in JSON."""

import json
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError
from safetensors.numpy import load as load_tensors
from safetensors.numpy import save as save_tensors

from services.metrics.rows.sample import RowSample
from services.metrics.sums.accumulate import Accumulator, Needs
from services.metrics.sums.cosines import CosineSums
from services.metrics.sums.moments import CrossMoments, Frame, ViewMoments
from services.runtime.errors import DataLoss

FORMAT: Final = 1
"""Of the objects; another one is refused."""

Arrays = dict[str, NDArray[Any]]


def dump(accumulator: Accumulator) -> bytes:
    """The state of an accumulator, which may be used further."""
    arrays: Arrays = {"counts": np.array([accumulator._taken, len(accumulator._ids)], np.int64)}
    if accumulator._ids:
        arrays["ids"] = np.frombuffer(json.dumps(accumulator._ids).encode(), np.uint8)
        arrays.update((f"rows.{node}", rows) for node, rows in enumerate(accumulator._joined()))
    if accumulator._views is not None:
        for node, view in enumerate(accumulator._views):
            arrays[f"shift.{node}"] = view.frame.shift
            arrays[f"exponent.{node}"] = np.array([view.frame.exponent], np.int64)
            arrays[f"view.{node}"] = view._lower
        for number, edge in enumerate(accumulator.edges):
            arrays[f"cross.{number}"] = accumulator._crosses[edge]._state
            sums = accumulator._cosines.get(edge)
            if sums is not None:
                arrays[f"cosine.{number}"] = np.array([sums.n, sums.total, sums.squares])
                arrays[f"units.{number}"] = np.stack([sums.left, sums.right])
    for number, sample in enumerate(_samples(accumulator)):
        if len(sample._keys):
            arrays[f"keys.{number}"] = sample._keys
            arrays.update((f"sample.{number}.{node}", sample.rows(node)) for node in range(len(accumulator.widths)))
    about = {"widths": accumulator.widths, "edges": accumulator.edges, "needs": asdict(accumulator.needs)}
    whole = {name: np.ascontiguousarray(array) for name, array in arrays.items()}
    return save_tensors(whole, {"format": str(FORMAT), "about": json.dumps(about)})


def load(data: bytes, widths: Sequence[int], edges: Sequence[tuple[int, int]], needs: Needs) -> Accumulator:
    """The accumulator of a state.

    Args:
        data: Bytes that `dump` made.
        widths: Dimensions of the nodes.
        edges: Pairs of nodes.
        needs: Statistics that the accumulator keeps.

    Raises:
        DataLoss: The bytes are no state of such nodes.
    """
    accumulator = Accumulator(widths, edges, needs)
    try:
        arrays = load_tensors(data)
        taken, held = (int(count) for count in arrays["counts"])
        accumulator._taken = taken
        if held:
            accumulator._ids = json.loads(arrays["ids"].tobytes())
            accumulator._buffer = [[arrays[f"rows.{node}"]] for node in range(len(widths))]
        if taken:
            _load_moments(accumulator, arrays)
        for number, sample in enumerate(_samples(accumulator)):
            if f"keys.{number}" in arrays:
                rows = [arrays[f"sample.{number}.{node}"] for node in range(len(widths))]
                sample.add(arrays[f"keys.{number}"], rows)
    except (KeyError, ValueError, SafetensorError) as error:
        raise DataLoss(f"Expected a state of {len(widths)} nodes and {len(edges)} pairs, but got {error}") from error
    return accumulator


def _load_moments(accumulator: Accumulator, arrays: Arrays) -> None:
    frames = [
        Frame(arrays[f"shift.{node}"], int(arrays[f"exponent.{node}"][0])) for node in range(len(accumulator.widths))
    ]
    squared = accumulator.needs.squares
    accumulator._views = [ViewMoments(frame, squares=squared) for frame in frames]
    for node, view in enumerate(accumulator._views):
        view._lower = arrays[f"view.{node}"]
    for number, edge in enumerate(accumulator.edges):
        cross = accumulator._crosses[edge] = CrossMoments(frames[edge[0]], frames[edge[1]], squares=squared)
        cross._state = arrays[f"cross.{number}"]
        if accumulator.needs.cosines:
            n, total, squares = (float(value) for value in arrays[f"cosine.{number}"])
            accumulator._cosines[edge] = CosineSums(int(n), total, squares, *arrays[f"units.{number}"])


def _samples(accumulator: Accumulator) -> list[RowSample]:
    """All samples of an accumulator, the one for intervals first."""
    return [accumulator._sample, *(accumulator._samples[key] for key in accumulator.needs.samples)]

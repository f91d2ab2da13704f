"""What the encoder answers: blocks of hidden states, and all of them in the order of the texts.

Axes: n texts, r rows (one a text, or one for each of its words, spans or positions), K layers in the order asked for, d
dimensions.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from babelscope.data.models import Model, ModelInfo, enum_name
from babelscope.data.texts import UNITS
from babelscope.v1 import encoder_pb2, model_pb2, tensor_pb2


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a long call is.

    Args:
        stage: `encode` or `measure`.
        done: Units done: texts or rows for encode, pairs for measure.
        total: Units in all; 0 where unknown.
        detail: View or pair at work.
    """

    stage: str
    done: int
    total: int = 0
    detail: str = ""


ShowProgress = Callable[[Progress], None]
"""Receives progress as the work goes on."""


@dataclass(frozen=True, slots=True)
class EncodeInfo:
    """What an encode call resolved to.

    Args:
        model: The model, loaded.
        layers: The layers answered, in order.
        pooling: Pooling in force.
        compute_dtype: Arithmetic of the model: `f32`, `bf16` or `i8`.
        device: Device in words, `cpu` or `cuda:0`.
        max_tokens: Longest input in tokens in force.
        backend: What computes the model: `torch` or `onnx`.
        reinit: Re-initialisation of the model in short: `1-2@0`; empty where there is none.
    """

    model: ModelInfo
    layers: tuple[int, ...]
    pooling: str
    compute_dtype: str
    device: str
    max_tokens: int
    backend: str = "torch"
    reinit: str = ""

    @classmethod
    def from_proto(cls, started: encoder_pb2.EncodeStarted, asked: model_pb2.ModelRef) -> "EncodeInfo":
        """Reads a message of the contract.

        Args:
            started: What the call resolved to.
            asked: The model of the request, as the answer does not say which layers were drawn anew.
        """
        return cls(
            model=ModelInfo.from_proto(started.model),
            layers=tuple(started.layers),
            pooling=enum_name(model_pb2.Pooling, started.pooling, "POOLING_"),
            compute_dtype=enum_name(tensor_pb2.DataType, started.compute_dtype, "DATA_TYPE_"),
            device=started.device,
            max_tokens=started.max_tokens,
            backend=enum_name(model_pb2.Backend, started.backend or model_pb2.BACKEND_TORCH, "BACKEND_"),
            reinit=Model.from_proto(asked).reinit_label,
        )


@dataclass(frozen=True, slots=True)
class EncodedItem:
    """One text of a block.

    Args:
        index: Position of the text in the call's texts.
        id: Id of the text.
        rows: Rows it has in the block: 1 under `mean` and `cls`, otherwise its words, spans or positions.
        tokens: Tokens computed, special tokens included.
        truncated: Whether it was cut.
        empty_rows: Its rows without pieces, from 0: they are zero.
    """

    index: int
    id: str
    rows: int
    tokens: int
    truncated: bool
    empty_rows: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True, eq=False)
class EncodedBlock:
    """Some texts with their hidden states.

    Args:
        items: The texts, in the order of their rows.
        array: [r, K, d] float32, read-only.
    """

    items: tuple[EncodedItem, ...]
    array: NDArray[np.float32]

    def parts(self) -> Iterator[tuple[EncodedItem, NDArray[np.float32]]]:
        """Each text with its rows, [rows, K, d]."""
        first = 0
        for item in self.items:
            yield item, self.array[first : first + item.rows]
            first += item.rows


@dataclass(frozen=True, slots=True)
class EncodeTotals:
    """Totals of an encode call.

    Args:
        texts: Texts answered.
        tokens: Tokens computed.
        truncated: Texts that were cut.
        queue_seconds: Seconds that texts waited for the device; those of broken attempts are not known.
        compute_seconds: Seconds of the device; those of broken attempts are not known.
        attempts: Streams that the server took on: more than one where a stream broke and was resumed.
        empty_rows: Rows without pieces.
    """

    texts: int = 0
    tokens: int = 0
    truncated: int = 0
    queue_seconds: float = 0.0
    compute_seconds: float = 0.0
    attempts: int = 0
    empty_rows: int = 0


@dataclass(frozen=True, slots=True, eq=False)
class Activations:
    """Hidden states of a list of texts, in the order of the list.

    Args:
        ids: n ids.
        layers: K layers, in the order of axis 1.
        array: [r, K, d] float32; r = n under `mean` and `cls`.
        offsets: [n + 1] int64: text i has the rows offsets[i] to offsets[i + 1].
        tokens: [n] int32, tokens computed, special tokens included.
        truncated: [n] bool, whether the text was cut.
        info: What the call resolved to.
        totals: Totals of the call.
        empty: [e] int64, rows of words and spans without pieces, ascending: they are zero. The tokenizer may give a
            word none, and a word may be cut off with the end of a long text.
    """

    ids: tuple[str, ...]
    layers: tuple[int, ...]
    array: NDArray[np.float32]
    offsets: NDArray[np.int64]
    tokens: NDArray[np.int32]
    truncated: NDArray[np.bool_]
    info: EncodeInfo
    totals: EncodeTotals = field(default_factory=EncodeTotals)
    empty: NDArray[np.int64] = field(default_factory=lambda: np.zeros(0, np.int64))

    @property
    def row_ids(self) -> tuple[str, ...]:
        """An id a row: the text's own, or `ID#NUMBER` where the pooling gives rows to words, spans or positions."""
        if self.info.pooling not in UNITS:
            return self.ids
        counts = np.diff(self.offsets).tolist()
        return tuple(f"{one}#{row}" for one, count in zip(self.ids, counts, strict=True) for row in range(count))

    @property
    def model_digest(self) -> str:
        """SHA-256 of the weights behind the numbers."""
        return self.info.model.digest

    def layer(self, layer: int) -> NDArray[np.float32]:
        """The rows of one layer, [r, d].

        Raises:
            ValueError: The layer was not asked for.
        """
        if layer not in self.layers:
            raise ValueError(f"Expected `layer` to be one of {list(self.layers)}, but got {layer}")
        return self.array[:, self.layers.index(layer)]

    def rows(self, position: int) -> NDArray[np.float32]:
        """The rows of the text at a position, [rows, K, d]."""
        return self.array[self.offsets[position] : self.offsets[position + 1]]


class Gather:
    """Folds blocks, in whatever order they come, into activations in the order of the texts.

    Args:
        ids: The ids, filled while the texts are read; complete when `finish` is called.
        total: Number of texts where known; lets pooled rows be written to their place at once.
    """

    def __init__(self, ids: Sequence[str], total: int | None = None) -> None:
        self._ids = ids
        self._total = total
        self._pooled: NDArray[np.float32] | None = None
        self._parts: dict[int, NDArray[np.float32]] = {}
        self._items: dict[int, EncodedItem] = {}

    @property
    def done(self) -> int:
        """Texts folded so far."""
        return len(self._items)

    def add(self, block: EncodedBlock, info: EncodeInfo) -> None:
        """Takes a block in."""
        self._items.update((item.index, item) for item in block.items)
        pooled = info.pooling in ("mean", "cls")
        if pooled and self._total is not None:
            if self._pooled is None:
                self._pooled = np.empty((self._total, *block.array.shape[1:]), np.float32)
            self._pooled[[item.index for item in block.items]] = block.array
        else:
            self._parts.update((item.index, rows) for item, rows in block.parts())

    def finish(self, info: EncodeInfo, totals: EncodeTotals) -> Activations:
        """All activations, once every text is answered."""
        items = [self._items[position] for position in range(len(self._items))]
        width = (len(info.layers), info.model.hidden_size)
        if self._pooled is not None:
            array = self._pooled
        elif items:
            array = np.concatenate([self._parts.pop(item.index) for item in items])
        else:
            array = np.empty((0, *width), np.float32)
        offsets = np.concatenate(([0], np.cumsum([item.rows for item in items], dtype=np.int64))).astype(np.int64)
        empty = [start + row for start, item in zip(offsets, items, strict=False) for row in sorted(item.empty_rows)]
        return Activations(
            ids=tuple(self._ids),
            layers=info.layers,
            array=array,
            offsets=offsets,
            tokens=np.array([item.tokens for item in items], np.int32),
            truncated=np.array([item.truncated for item in items], np.bool_),
            info=info,
            totals=totals,
            empty=np.array(empty, np.int64),
        )

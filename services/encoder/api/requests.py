"""Messages of requests to domain values: every field checked, every mistake named by its path."""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Final, Protocol, TypeVar

import numpy as np
from babelscope.data.blocks import OutputType
from babelscope.v1 import encoder_pb2, model_pb2, tensor_pb2, text_pb2
from numpy.typing import NDArray

from services.models.api.messages import one_of, read_edits, read_model
from services.models.artifacts import Objects
from services.models.spec import (
    BackendName,
    ComputeType,
    Edit,
    EncodePlan,
    ModelInfo,
    ModelSpec,
    Overflow,
    Pooling,
    TokenizedText,
)
from services.runtime.errors import InvalidArgument, LimitExceeded

_Read = TypeVar("_Read")

LEAST_TOKENS: Final = 3
"""Shortest limit of tokens: one between the special ones."""

_POOLINGS: Final = {
    model_pb2.POOLING_UNSPECIFIED: Pooling.MEAN,
    model_pb2.POOLING_MEAN: Pooling.MEAN,
    model_pb2.POOLING_CLS: Pooling.CLS,
    model_pb2.POOLING_TOKEN: Pooling.TOKEN,
    model_pb2.POOLING_WORD_FIRST: Pooling.WORD_FIRST,
    model_pb2.POOLING_WORD_MEAN: Pooling.WORD_MEAN,
    model_pb2.POOLING_SPAN: Pooling.SPAN,
}
_OVERFLOWS: Final = {
    text_pb2.OVERFLOW_UNSPECIFIED: Overflow.REFUSE,
    text_pb2.OVERFLOW_REFUSE: Overflow.REFUSE,
    text_pb2.OVERFLOW_TRUNCATE: Overflow.TRUNCATE,
}
_TYPES: Final[dict[int, ComputeType]] = {
    tensor_pb2.DATA_TYPE_UNSPECIFIED: "float32",
    tensor_pb2.DATA_TYPE_F32: "float32",
    tensor_pb2.DATA_TYPE_BF16: "bfloat16",
}
_ARITHMETIC: Final[dict[BackendName, dict[int, ComputeType]]] = {
    "torch": _TYPES,
    "onnx": {
        tensor_pb2.DATA_TYPE_UNSPECIFIED: "float32",
        tensor_pb2.DATA_TYPE_F32: "float32",
        tensor_pb2.DATA_TYPE_I8: "int8",
    },
}
"""What each back end computes in. ONNX Runtime has no products in bfloat16 on processors, PyTorch none in int8 here."""
_BACKENDS: Final[dict[int, BackendName]] = {
    model_pb2.BACKEND_UNSPECIFIED: "torch",
    model_pb2.BACKEND_TORCH: "torch",
    model_pb2.BACKEND_ONNX: "onnx",
}


@dataclass(frozen=True, eq=False)
class Asked:
    """An EncodeSpec, checked as far as that needs no model.

    Attributes:
        model: Determines the weights, and what computes them.
        layers: Hidden states wanted; all where empty.
        pooling: Pooling of the hidden states.
        edits: Interventions, in order.
        overflow: Treatment of texts that are too long.
        compute: Arithmetic of the model.
        output: Elements of the answer.
        max_tokens: Longest input; the model's own limit where 0.
        language: Tag of the texts that name no language themselves.
    """

    model: ModelSpec
    layers: tuple[int, ...]
    pooling: Pooling
    edits: tuple[Edit, ...]
    overflow: Overflow
    compute: ComputeType
    output: OutputType
    max_tokens: int
    language: str = ""

    @property
    def backend(self) -> BackendName:
        """What computes the model."""
        return "torch" if self.model.graph is None else "onnx"

    def plan(self, info: ModelInfo) -> EncodePlan:
        """What the model computes: all layers where none are named."""
        layers = self.layers or tuple(range(info.layers + 1))
        return EncodePlan(layers, self.pooling, self.edits, self.compute)

    def limit(self, info: ModelInfo) -> int:
        """Longest input in tokens in force.

        Raises:
            InvalidArgument: `max_tokens` is outside what the model takes.
        """
        if self.max_tokens and not LEAST_TOKENS <= self.max_tokens <= info.max_tokens:
            raise InvalidArgument(
                "spec.max_tokens",
                f"Expected `max_tokens` within {LEAST_TOKENS}..{info.max_tokens} for model {info.name}, or 0 for its "
                f"own limit, but got {self.max_tokens}",
            )
        return self.max_tokens or info.max_tokens


def read_overflow(overflow: int, field: str) -> Overflow:
    """Reads what to do with long texts.

    Raises:
        InvalidArgument: No such policy.
    """
    policy: Overflow = one_of(_OVERFLOWS, overflow, field, text_pb2.Overflow)
    return policy


class _Computed(Protocol):
    """The messages that say which model is computed, and how."""

    @property
    def model(self) -> model_pb2.ModelRef:
        """The weights."""

    @property
    def backend(self) -> "model_pb2.Backend.ValueType":
        """What computes them."""

    @property
    def compute_dtype(self) -> "tensor_pb2.DataType.ValueType":
        """Arithmetic."""


def read_engine(message: _Computed, path: str = "") -> tuple[ModelSpec, ComputeType]:
    """Reads a model with its back end, and the arithmetic.

    Args:
        message: The message.
        path: Path of its fields in the request, with a dot at the end; empty for the request itself.

    Raises:
        InvalidArgument: A field is wrong, or the back end does not compute in that type.
    """
    model = read_model(message.model, f"{path}model")
    backend: BackendName = one_of(_BACKENDS, message.backend, f"{path}backend", model_pb2.Backend)
    compute: ComputeType = one_of(
        _ARITHMETIC[backend], message.compute_dtype, f"{path}compute_dtype", tensor_pb2.DataType
    )
    if backend == "onnx":
        model = replace(model, graph="int8" if compute == "int8" else "float32")
    return model, compute


def read_spec(spec: encoder_pb2.EncodeSpec, store: Objects, max_interventions: int) -> Asked:
    """Reads an EncodeSpec. Reads the store: call it in a thread.

    Args:
        spec: The message.
        store: Store that holds named arrays.
        max_interventions: Limit of the server.

    Raises:
        InvalidArgument: A field is wrong.
        LimitExceeded: Too many interventions.
        ServiceError: What the store raises.
    """
    model, compute = read_engine(spec, "spec.")
    seen: set[int] = set()
    for number, layer in enumerate(spec.layers):
        if layer in seen:
            raise InvalidArgument(f"spec.layers[{number}]", f"Expected each layer once, but got {layer} again")
        seen.add(layer)
    if spec.max_tokens < 0:
        raise InvalidArgument("spec.max_tokens", f"Expected `max_tokens` of 0 or more, but got {spec.max_tokens}")
    return Asked(
        model=model,
        layers=tuple(spec.layers),
        pooling=one_of(_POOLINGS, spec.pooling, "spec.pooling", model_pb2.Pooling),
        edits=read_edits(spec.interventions, store, "spec.interventions", max_interventions),
        overflow=read_overflow(spec.overflow, "spec.overflow"),
        compute=compute,
        output=one_of(_TYPES, spec.output_dtype, "spec.output_dtype", tensor_pb2.DataType),
        max_tokens=spec.max_tokens,
        language=spec.language,
    )


async def beside_the_loop(read: Callable[[], _Read], *, edits: bool) -> _Read:
    """Reads a specification, in a thread where it has interventions: their arrays may be large, or in the store.

    Args:
        read: Reads it.
        edits: Whether it has interventions.
    """
    return await asyncio.to_thread(read) if edits else read()


class SeenIds:
    """The ids of one request, however many messages carry them.

    A 64-bit hash is kept of each, in eight bytes, since a stream may carry millions: among n ids the chance that two
    different ones are taken for one another is n^2 / 2^65, one in 37 million for a million ids. Hashes are in sorted
    runs, each longer than all that come after it, so that there are few of them however many messages there were.
    """

    def __init__(self) -> None:
        self._runs: list[NDArray[np.int64]] = []
        self._number = 0

    def __len__(self) -> int:
        return self._number

    @property
    def nbytes(self) -> int:
        """Bytes that are kept."""
        return sum(run.nbytes for run in self._runs)

    def add(self, names: Sequence[str]) -> NDArray[np.bool_]:
        """Remember ids; which of them were there before, [n].

        Args:
            names: n ids, unique among themselves.
        """
        hashes = np.fromiter(map(hash, names), np.int64, len(names))
        known = np.zeros(len(names), bool)
        for run in self._runs:
            places = np.minimum(run.searchsorted(hashes), len(run) - 1)
            known |= run[places] == hashes
        self._number += len(names)
        longer = np.sort(hashes)
        while self._runs and len(self._runs[-1]) <= len(longer):
            # A stable sort joins sorted runs in the time of a pass.
            longer = np.sort(np.concatenate([self._runs.pop(), longer]), kind="stable")
        self._runs.append(longer)
        return known


def check_texts(texts: Sequence[text_pb2.Text], field: str, max_texts: int, seen: SeenIds | None = None) -> None:
    """Checks the texts of one message. Ids are unique within a request.

    Args:
        texts: The messages.
        field: Path of the list.
        max_texts: Limit of the server.
        seen: Ids of the request's earlier messages; those of this one are added. Paths count from the first of them.

    Raises:
        InvalidArgument: No texts, an empty or repeated id, a text of nothing but white space.
        LimitExceeded: Too many texts.
    """
    if not texts:
        raise InvalidArgument(field, "Expected at least one text, but got none")
    if len(texts) > max_texts:
        raise LimitExceeded("max_texts", f"Expected at most {max_texts} texts a message, but got {len(texts)}")
    seen = SeenIds() if seen is None else seen
    start = len(seen)
    first: dict[str, int] = {}
    earlier = seen.add([text.id for text in texts]).tolist()
    for number, text in enumerate(texts, start):
        if not text.id:
            raise InvalidArgument(f"{field}[{number}].id", "Expected an id that is not empty")
        before = first.setdefault(text.id, number)
        if before != number:
            raise InvalidArgument(
                f"{field}[{number}].id",
                f"Expected ids that are unique within a request, but {text.id!r} is also the id of {field}[{before}]",
            )
        if earlier[number - start]:
            raise InvalidArgument(
                f"{field}[{number}].id",
                f"Expected ids that are unique within a request, but {text.id!r} is also the id of an earlier text",
            )
        if not text.words and (not text.text or text.text.isspace()):
            raise InvalidArgument(
                f"{field}[{number}].text", f"Expected a text that is not empty, but text {text.id!r} is"
            )


def check_tokens(
    texts: Sequence[text_pb2.Text],
    tokenized: Sequence[TokenizedText],
    overflow: Overflow,
    limit: int,
    field: str,
    *,
    offset: int = 0,
    vocabulary: int | None = None,
) -> None:
    """Checks the tokens of texts.

    Args:
        texts: The messages.
        tokenized: Their tokens.
        overflow: Treatment of texts that are too long.
        limit: Longest input in tokens.
        field: Path of the list.
        offset: Position of the first of `texts` in the request.
        vocabulary: Rows of the model's word embeddings; None where the tokens are not looked up in them.

    Raises:
        InvalidArgument: A text without tokens, one with a token beyond the vocabulary, or one that is too long
            where that is refused.
    """
    for number, (text, tokens) in enumerate(zip(texts, tokenized, strict=True), start=offset):
        if tokens.truncated and overflow is Overflow.REFUSE:
            least = "" if tokens.whole else "at least "
            raise InvalidArgument(
                f"{field}[{number}].text",
                f"Expected at most {limit} tokens, but text {text.id!r} has {least}{tokens.full_length}; shorten it, "
                "or let it be cut (overflow: truncate)",
            )
        if tokens.content_length == 0:
            raise InvalidArgument(
                f"{field}[{number}].text", f"Expected a text with at least one token, but text {text.id!r} has none"
            )
        if vocabulary is not None and int(tokens.ids.max()) >= vocabulary:
            raise InvalidArgument(
                f"{field}[{number}].text",
                f"Expected tokens within 0..{vocabulary - 1}, the model's embeddings, but text {text.id!r} has token "
                f"{int(tokens.ids.max())}: the tokenizer's vocabulary is larger than the model's",
            )

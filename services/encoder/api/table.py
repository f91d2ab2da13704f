"""Words by their rows of a model's word embedding table (Conneau, Wu et al. 2020, section 5.1.1, figure 4a)."""

from collections.abc import AsyncIterator, Iterator, Sequence
from typing import Any, Final

import numpy as np
from babelscope.data.tensors import CHUNK_BYTES, to_proto
from babelscope.v1 import encoder_pb2
from numpy.typing import NDArray

from services.encoder.api.requests import Asked
from services.runtime.errors import InvalidArgument

WORDS_AT_ONCE: Final = 4096
"""Words that are cut and looked up at a time."""


async def check(
    spec: encoder_pb2.EncodeWordsSpec, asked: Asked, wanted: Sequence[str], messages: AsyncIterator[Any]
) -> None:
    """Refuse what has no meaning without contexts.

    Args:
        spec: What is asked for.
        asked: Its part about the model, read.
        wanted: The words wanted.
        messages: What comes after them.

    Raises:
        InvalidArgument: There is something.
    """
    told = "with `embedding_table`"
    if asked.backend == "onnx":
        raise InvalidArgument("spec.encode.backend", f"Expected BACKEND_TORCH {told}, but got BACKEND_ONNX")
    if asked.layers not in {(), (0,)}:
        raise InvalidArgument(
            "spec.encode.layers", f"Expected no layers, or layer 0 alone, {told}, but got {list(asked.layers)}"
        )
    if spec.ignore_case:
        raise InvalidArgument("spec.ignore_case", f"Expected false {told}, but got true")
    if spec.min_count > 1:
        raise InvalidArgument("spec.min_count", f"Expected at most 1 {told}, but got {spec.min_count}")
    if not wanted:
        raise InvalidArgument("words.words", f"Expected the words wanted {told}, but got none")
    async for message in messages:
        which = message.WhichOneof("message")
        raise InvalidArgument(str(which), f"Expected words alone {told}, but got {which} as well")


def messages(words: Sequence[str], rows: NDArray[np.float32]) -> Iterator[encoder_pb2.WordVectors]:
    """The answers that carry some words.

    Args:
        words: w words.
        rows: [w, e].
    """
    step = max(1, CHUNK_BYTES // max(1, rows.shape[1] * 4))
    for start in range(0, len(words), step):
        part = words[start : start + step]
        vectors = np.ascontiguousarray(rows[start : start + step, None])
        yield encoder_pb2.WordVectors(words=part, counts=[1] * len(part), vectors=to_proto(vectors))

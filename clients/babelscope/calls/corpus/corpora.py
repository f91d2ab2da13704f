"""What both clients share of calls that reduce a corpus: requests, and what the answers are folded into."""

from collections.abc import Iterable, Iterator, Sequence
from typing import Any, Protocol

import numpy as np

from babelscope.calls.corpus.means import LayerMeans
from babelscope.calls.encode import MESSAGE_BYTES, MESSAGE_TEXTS
from babelscope.calls.metrics import Answer_co, Repeatable
from babelscope.data.activations import Progress
from babelscope.data.tensors import to_numpy
from babelscope.data.texts import Text, as_texts, count
from babelscope.errors import DataCorrupted
from babelscope.v1 import encoder_pb2, text_pb2


class CorpusWork(Repeatable[Answer_co], Protocol[Answer_co]):
    """One call that reduces a corpus."""

    @property
    def repeatable(self) -> bool:
        """Whether its texts can be read again."""


def text_messages(texts: Iterable[Text | str]) -> Iterator[encoder_pb2.EncodeTexts]:
    """Texts in messages of bounded size, read lazily."""
    batch: list[text_pb2.Text] = []
    size = 0
    for text in as_texts(texts):
        message = text.to_proto()
        if batch and (len(batch) == MESSAGE_TEXTS or size + message.ByteSize() > MESSAGE_BYTES):
            yield encoder_pb2.EncodeTexts(texts=batch)
            batch, size = [], 0
        batch.append(message)
        size += message.ByteSize()
    if batch:
        yield encoder_pb2.EncodeTexts(texts=batch)


class MeansWork:
    """One call of `MeanActivations`, which can be made as often as its texts can be read.

    Args:
        spec: What is computed.
        texts: The corpus.
    """

    method = "MeanActivations"

    def __init__(self, spec: encoder_pb2.EncodeSpec, texts: Iterable[Text | str]) -> None:
        self._spec = spec
        self._texts = texts
        self._total = count(texts) or 0

    @property
    def repeatable(self) -> bool:
        """Whether the texts can be read again."""
        return isinstance(self._texts, Sequence)

    def requests(self) -> Iterator[encoder_pb2.MeanActivationsRequest]:
        """All messages, from the first."""
        yield encoder_pb2.MeanActivationsRequest(spec=self._spec)
        for message in text_messages(self._texts):
            yield encoder_pb2.MeanActivationsRequest(texts=message)

    def fold(self) -> "MeansFold":
        """An empty fold for the answers of one attempt."""
        return MeansFold(self._total)


class MeansFold:
    """Folds the answers of a `MeanActivations` call. Pure: both twins drive it.

    Args:
        total: Texts of the corpus; 0 where not known.
    """

    def __init__(self, total: int) -> None:
        self._total = total
        self._started: encoder_pb2.EncodeStarted | None = None
        self._means: encoder_pb2.LayerMeans | None = None

    def receive(self, response: encoder_pb2.MeanActivationsResponse) -> Progress | None:
        """Takes an answer in; the progress where it tells of one."""
        match response.WhichOneof("message"):
            case "started":
                self._started = response.started
            case "progress":
                return Progress("encode", response.progress.texts, self._total)
            case "means":
                self._means = response.means
        return None

    def finish(self) -> LayerMeans:
        """The means, once the stream has ended.

        Raises:
            DataCorrupted: It ended without any, or they contradict what was computed.
        """
        if self._means is None or self._started is None:
            raise DataCorrupted("Expected means at the end of the answer, but the stream ended without them")
        found = self._means
        array: Any = to_numpy(found.means, field="means.means")
        model = self._started.model
        if array.shape != (len(found.layers), model.hidden_size) or not np.isfinite(array).all():
            raise DataCorrupted(
                f"Expected finite means as [{len(found.layers)}, {model.hidden_size}], but got {list(array.shape)}"
            )
        return LayerMeans(
            tuple(found.layers), array, found.tokens, found.texts, found.truncated, model.digest, found.artifact
        )

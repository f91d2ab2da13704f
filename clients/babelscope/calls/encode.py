"""The client's side of an `Encode` call as a pure state machine: what to send next, and what an answer means.

Both twins drive it; it makes no call and never waits. A call is one or more *attempts*, each a stream of its own. A
text is *in flight* from the time it is taken from the caller until a whole block has answered it. When a stream breaks,
the next attempt sends the texts still in flight again, in order, and then goes on; blocks that were not whole are
dropped. So every text is answered exactly once, whatever breaks and however often, and no more than a window of texts
is held.
"""

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

from babelscope.data.activations import EncodedBlock, EncodedItem, EncodeInfo, EncodeTotals
from babelscope.data.blocks import BlockAssembly, Chunk
from babelscope.data.models import Intervention, Model, check_layers, choose
from babelscope.data.texts import Text, as_text
from babelscope.errors import DataCorrupted
from babelscope.v1 import encoder_pb2, model_pb2, tensor_pb2, text_pb2

MESSAGE_TEXTS: Final = 256
MESSAGE_BYTES: Final = 256 << 10
_METHOD: Final = "EncoderService.Encode"

_POOLINGS: Final[dict[str, "model_pb2.Pooling.ValueType"]] = {
    "mean": model_pb2.POOLING_MEAN,
    "cls": model_pb2.POOLING_CLS,
    "token": model_pb2.POOLING_TOKEN,
    "word_first": model_pb2.POOLING_WORD_FIRST,
    "word_mean": model_pb2.POOLING_WORD_MEAN,
    "span": model_pb2.POOLING_SPAN,
}
_OVERFLOWS: Final[dict[str, "text_pb2.Overflow.ValueType"]] = {
    "refuse": text_pb2.OVERFLOW_REFUSE,
    "truncate": text_pb2.OVERFLOW_TRUNCATE,
}
_FLOATS: Final[dict[str, "tensor_pb2.DataType.ValueType"]] = {
    "float32": tensor_pb2.DATA_TYPE_F32,
    "bfloat16": tensor_pb2.DATA_TYPE_BF16,
}
_ARITHMETIC: Final = {**_FLOATS, "int8": tensor_pb2.DATA_TYPE_I8}
_BACKENDS: Final[dict[str, "model_pb2.Backend.ValueType"]] = {
    "torch": model_pb2.BACKEND_TORCH,
    "onnx": model_pb2.BACKEND_ONNX,
}


@dataclass(frozen=True, slots=True)
class Window:
    """How much is in flight at once.

    Args:
        texts: Texts, at most.
        characters: Characters of all of them, at most; one text may be longer.
    """

    texts: int = 2048
    characters: int = 4 << 20


def overflow_value(overflow: str) -> "text_pb2.Overflow.ValueType":
    """The contract's value for what to do with long texts.

    Raises:
        ValueError: There is no such option.
    """
    return choose(_OVERFLOWS, "overflow", overflow)


def encode_spec(
    model: Model | str,
    *,
    layers: Sequence[int] | None = None,
    pooling: str = "mean",
    interventions: Sequence[Intervention] = (),
    overflow: str = "refuse",
    compute_dtype: str = "float32",
    output_dtype: str = "float32",
    max_tokens: int | None = None,
    language: str = "",
    backend: str = "torch",
) -> encoder_pb2.EncodeSpec:
    """The specification of an encode request.

    Raises:
        ValueError: An option has a value that is not offered.
    """
    return encoder_pb2.EncodeSpec(
        model=Model.of(model).to_proto(),
        layers=check_layers(layers),
        pooling=choose(_POOLINGS, "pooling", pooling),
        interventions=[intervention.to_proto() for intervention in interventions],
        overflow=overflow_value(overflow),
        output_dtype=choose(_FLOATS, "output_dtype", output_dtype),
        max_tokens=max_tokens or 0,
        language=language,
        **computed_by(backend, compute_dtype),
    )


def computed_by(backend: str, compute_dtype: str) -> dict[str, Any]:
    """The fields of a request that say what computes a model.

    Raises:
        ValueError: An option has a value that is not offered.
    """
    return {
        "backend": choose(_BACKENDS, "backend", backend),
        "compute_dtype": choose(_ARITHMETIC, "compute_dtype", compute_dtype),
    }


class EncodeSession:
    """One encode call over as many attempts as it takes.

    Args:
        spec: Specification of the call.
        window: How much is in flight at once.
        keep_ids: Whether `ids` is to hold the ids of all texts.
    """

    def __init__(self, spec: encoder_pb2.EncodeSpec, window: Window | None = None, *, keep_ids: bool = False) -> None:
        self._spec = spec
        self._window = window or Window()
        self._keep_ids = keep_ids
        self._flight: dict[int, Text] = {}  # by position in the call, in order
        self._flight_characters = 0
        self._taken = 0
        self._closed = False
        self._unsent: deque[int] = deque()
        self._again: list[int] = []  # this attempt's stream: these positions first, then all from _fresh on
        self._fresh = 0
        self._sent = 0
        self._blocks: dict[int, BlockAssembly] = {}
        self._started = False
        self._finished = False
        self.ids: list[str] = []
        self.info: EncodeInfo | None = None
        self.totals = EncodeTotals()

    # What to send

    def begin(self) -> encoder_pb2.EncodeRequest:
        """Starts an attempt: its first message. Forgets what the attempt before left half done."""
        self._again = list(self._flight)
        self._unsent = deque(self._again)
        self._fresh = self._taken
        self._sent = 0
        self._blocks.clear()
        self._started = self._finished = False
        return encoder_pb2.EncodeRequest(spec=self._spec)

    @property
    def wants_text(self) -> bool:
        """Whether the window has room for one more of the caller's texts."""
        roomy = len(self._flight) < self._window.texts and self._flight_characters < self._window.characters
        return roomy and not self._closed

    @property
    def taken(self) -> int:
        """Texts taken from the caller so far."""
        return self._taken

    def add(self, text: Text | str) -> None:
        """Takes the caller's next text; a plain string gets its position as id."""
        text = as_text(text, self._taken)
        self._flight[self._taken] = text
        self._flight_characters += text.size
        self._unsent.append(self._taken)
        self._taken += 1
        if self._keep_ids:
            self.ids.append(text.id)

    def close(self) -> None:
        """The caller has no more texts."""
        self._closed = True

    @property
    def has_unsent(self) -> bool:
        """Whether texts are at hand that this attempt has not sent."""
        return bool(self._unsent)

    @property
    def message_ready(self) -> bool:
        """Whether the texts at hand fill a message, or nothing can be added to them for now."""
        return bool(self._unsent) and (len(self._unsent) >= MESSAGE_TEXTS or not self.wants_text)

    @property
    def all_sent(self) -> bool:
        """Whether this attempt has nothing more to send, ever."""
        return self._closed and not self._unsent

    def next_message(self) -> encoder_pb2.EncodeRequest | None:
        """The next texts of this attempt, full or not; None where there are none at hand."""
        if not self._unsent:
            return None
        texts: list[text_pb2.Text] = []
        size = 0
        while self._unsent and len(texts) < MESSAGE_TEXTS:
            text = self._flight[self._unsent[0]].to_proto()
            size += text.ByteSize()
            if texts and size > MESSAGE_BYTES:
                break
            texts.append(text)
            self._unsent.popleft()
        self._sent += len(texts)
        return encoder_pb2.EncodeRequest(texts=encoder_pb2.EncodeTexts(texts=texts))

    # What an answer means

    @property
    def resolved(self) -> EncodeInfo:
        """What the call resolved to.

        Raises:
            RuntimeError: The server has not answered yet.
        """
        if self.info is None:
            raise RuntimeError("Expected a first block to be read before `info`, but none was")
        return self.info

    @property
    def done(self) -> bool:
        """Whether every text is answered: a stream that breaks now need not be resumed."""
        return self._finished or (self._closed and self._taken > 0 and not self._flight)

    def receive(self, response: encoder_pb2.EncodeResponse | Chunk) -> EncodedBlock | None:
        """Takes an answer in; a block where it made one whole.

        Raises:
            DataCorrupted: The answer contradicts itself, the request, or the attempt before.
            TensorError: A block's bytes do not fit its description, or a value is not finite.
        """
        if isinstance(response, Chunk):
            return self._chunk(response)
        kind = response.WhichOneof("message")
        if kind == "started":
            self._start(response.started)
        elif kind == "chunk":
            return self._chunk(Chunk(response.chunk, response.chunk.data))
        elif kind == "finished":
            self._finish(response.finished)
        return None

    def end(self) -> None:
        """The server ended the stream without an error.

        Raises:
            DataCorrupted: It had not answered everything.
        """
        if not self._finished:
            raise DataCorrupted(
                f"Expected answers for {self._taken} texts and then the totals, but the stream ended with "
                f"{len(self._flight)} texts unanswered",
                method=_METHOD,
            )

    def _start(self, started: encoder_pb2.EncodeStarted) -> None:
        """The call resolved; after a break it must resolve to the same."""
        info = EncodeInfo.from_proto(started, self._spec.model)
        before = self.info
        if before is not None:
            # Another replica may answer the new attempt, on another device; the numbers must be of the same making.
            same = replace(info, device=before.device, model=replace(info.model, state=before.model.state))
            if same != before:
                raise DataCorrupted(
                    f"Expected the encoder to go on with the model of before ({_describe(before)}), but after the "
                    f"stream broke it answers with another ({_describe(info)})",
                    method=_METHOD,
                )
        else:
            self.info = info
        self._started = True
        self.totals = replace(self.totals, attempts=self.totals.attempts + 1)

    def _chunk(self, chunk: Chunk) -> EncodedBlock | None:
        """A piece of a block."""
        if self.info is None or not self._started:
            raise DataCorrupted("Expected the call to start with what it resolved to, but got rows", method=_METHOD)
        number = chunk.head.block
        block = self._blocks.get(number)
        if block is None:
            block = BlockAssembly(chunk.head, len(self.info.layers), self.info.model.hidden_size)
            self._blocks[number] = block
        if not block.add(chunk):
            return None
        del self._blocks[number]
        items = tuple(self._item(item) for item in block.items)
        array = block.array()
        for item in items:
            text = self._flight.pop(item.index, None)
            if text is None:
                raise DataCorrupted(f"Expected one answer for text {item.id!r}, but got two", method=_METHOD)
            self._flight_characters -= text.size
        self.totals = replace(
            self.totals,
            texts=self.totals.texts + len(items),
            tokens=self.totals.tokens + sum(item.tokens for item in items),
            truncated=self.totals.truncated + sum(item.truncated for item in items),
            empty_rows=self.totals.empty_rows + sum(len(item.empty_rows) for item in items),
        )
        return EncodedBlock(items, array)

    def _item(self, item: encoder_pb2.EncodedItem) -> EncodedItem:
        """An item with its position in the call, where the message has that in the attempt's stream."""
        if not 0 <= item.index < self._sent:
            raise DataCorrupted(f"Expected an index within 0..{self._sent - 1}, but got {item.index}", method=_METHOD)
        again = len(self._again)
        index = self._again[item.index] if item.index < again else self._fresh + item.index - again
        text = self._flight.get(index)
        if text is None:
            raise DataCorrupted(f"Expected one answer for text {item.id!r}, but got two", method=_METHOD)
        if text.id != item.id:
            raise DataCorrupted(f"Expected id {text.id!r} at index {item.index}, but got {item.id!r}", method=_METHOD)
        if not all(0 <= row < item.rows for row in item.empty_rows):
            raise DataCorrupted(
                f"Expected rows within 0..{item.rows - 1} of text {item.id!r}, but got {list(item.empty_rows)[:5]}",
                method=_METHOD,
            )
        return EncodedItem(index, item.id, item.rows, item.tokens, item.truncated, tuple(item.empty_rows))

    def _finish(self, finished: encoder_pb2.EncodeFinished) -> None:
        """The totals of an attempt; texts and tokens are counted from the answers, over all attempts."""
        if self._flight or not self._closed:
            raise DataCorrupted(
                f"Expected answers for {self._taken} texts before the totals, but {len(self._flight)} are missing",
                method=_METHOD,
            )
        self._finished = True
        self.totals = replace(
            self.totals,
            queue_seconds=self.totals.queue_seconds + finished.queue_seconds,
            compute_seconds=self.totals.compute_seconds + finished.compute_seconds,
        )


def _describe(info: EncodeInfo) -> str:
    """What must not change over a break, in words."""
    return (
        f"{info.model.name}, digest {info.model.digest or 'unknown'}, layers {list(info.layers)}, {info.pooling}, "
        f"{info.backend} in {info.compute_dtype}, at most {info.max_tokens} tokens"
    )

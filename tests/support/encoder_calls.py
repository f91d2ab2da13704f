"""Calls to a real encoder, and what it answers to wrong ones."""

from dataclasses import dataclass, field
from typing import Any

import grpc
import numpy as np
from babelscope.v1 import encoder_pb2, encoder_pb2_grpc, model_pb2, text_pb2

from tests.support.models import WORDS
from tests.support.refusals import Failure, refusal


def spec(name: str = "tiny", **fields: Any) -> encoder_pb2.EncodeRequest:
    """A first message."""
    fields.setdefault("model", model_pb2.ModelRef(name=name))
    return encoder_pb2.EncodeRequest(spec=encoder_pb2.EncodeSpec(**fields))


def texts(*strings: str, first: int = 0) -> encoder_pb2.EncodeRequest:
    """A message of texts."""
    messages = [text_pb2.Text(id=f"t{first + number}", text=text) for number, text in enumerate(strings)]
    return encoder_pb2.EncodeRequest(texts=encoder_pb2.EncodeTexts(texts=messages))


def units(**fields: Any) -> encoder_pb2.EncodeRequest:
    """A message of one text with words, spans or positions."""
    return encoder_pb2.EncodeRequest(texts=encoder_pb2.EncodeTexts(texts=[text_pb2.Text(**{"id": "u", **fields})]))


def sentences(count: int, seed: int = 0, longest: int = 40) -> list[str]:
    """Sentences of known words, of many lengths."""
    generator = np.random.default_rng(seed)
    lengths = generator.integers(1, longest, count)
    return [" ".join(generator.choice(WORDS, length)) for length in lengths]


@dataclass
class Answer:
    """What an Encode call answered."""

    started: encoder_pb2.EncodeStarted | None = None
    finished: encoder_pb2.EncodeFinished | None = None
    arrays: dict[int, Any] = field(default_factory=dict)
    items: dict[int, Any] = field(default_factory=dict)
    chunks: list[int] = field(default_factory=list)


async def encode(stub: Any, *messages: encoder_pb2.EncodeRequest, **options: Any) -> Answer:
    """Sends all messages and reads the answer to its end."""
    answer = Answer()
    data = bytearray()
    head: Any = None
    async for response in stub.Encode(iter(messages), **options):
        if response.HasField("started"):
            answer.started = response.started
        elif response.HasField("finished"):
            answer.finished = response.finished
        else:
            chunk = response.chunk
            answer.chunks.append(len(chunk.data))
            if chunk.offset == 0:
                head, data = chunk, bytearray()
            assert chunk.offset == len(data)
            data += chunk.data
            width = np.dtype("<u2") if head.tensor.dtype == 3 else np.dtype("<f4")
            if len(data) == np.prod(head.tensor.shape) * width.itemsize:
                array = np.frombuffer(bytes(data), width).reshape(head.tensor.shape)
                row = 0
                for item in head.items:
                    assert item.index not in answer.arrays
                    answer.arrays[item.index] = array[row : row + item.rows]
                    answer.items[item.index] = item
                    row += item.rows
    return answer


async def rest(call: Any) -> list[encoder_pb2.EncodeResponse]:
    """All answers that a call has left, once `read` was used on it."""
    answers = []
    while (answer := await call.read()) is not grpc.aio.EOF:
        answers.append(answer)
    return answers


async def refused(address: str, *messages: encoder_pb2.EncodeRequest) -> Failure:
    """Sends all messages, which must be refused, and reads why."""
    return await refusal(address, encoder_pb2_grpc.EncoderServiceStub, "Encode", *messages)

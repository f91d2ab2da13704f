"""Calls to a real encoder, and what it answers to wrong ones."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import grpc
import numpy as np
import pytest
from babelscope.v1 import encoder_pb2, encoder_pb2_grpc, model_pb2, text_pb2
from google.rpc import error_details_pb2
from grpc_status import rpc_status

from tests.support.models import WORDS

CHANNEL = [("grpc.max_receive_message_length", -1), ("grpc.max_send_message_length", -1)]


def spec(name: str = "tiny", **fields: Any) -> encoder_pb2.EncodeRequest:
    """A first message."""
    fields.setdefault("model", model_pb2.ModelRef(name=name))
    return encoder_pb2.EncodeRequest(spec=encoder_pb2.EncodeSpec(**fields))


def texts(*strings: str, first: int = 0) -> encoder_pb2.EncodeRequest:
    """A message of texts."""
    messages = [text_pb2.Text(id=f"t{first + number}", text=text) for number, text in enumerate(strings)]
    return encoder_pb2.EncodeRequest(texts=encoder_pb2.EncodeTexts(texts=messages))


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


@dataclass(frozen=True)
class Failure:
    """A status with its details."""

    code: grpc.StatusCode
    message: str
    fields: dict[str, str]
    quota: str
    retry: float | None
    resource: str


async def failure(call: Any) -> Failure:
    """Awaits a call, which must fail, and reads why."""
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await call
    return read_failure(caught.value)


async def refusal(address: str, *messages: encoder_pb2.EncodeRequest) -> Failure:
    """Sends all messages, which must be refused, and reads why.

    Through the synchronous client: the asynchronous one loses a status that comes while it still writes.
    """

    def call() -> Failure:
        with grpc.insecure_channel(address, options=CHANNEL) as channel, pytest.raises(grpc.RpcError) as caught:
            list(encoder_pb2_grpc.EncoderServiceStub(channel).Encode(iter(messages)))
        return read_failure(caught.value)

    return await asyncio.to_thread(call)


def read_failure(error: Any) -> Failure:
    """What an error carries."""
    found: dict[str, Any] = {}
    status = rpc_status.from_call(_Call(error))
    for detail in status.details if status else ():
        for kind in ("BadRequest", "QuotaFailure", "RetryInfo", "ResourceInfo"):
            message = getattr(error_details_pb2, kind)()
            if detail.Unpack(message):
                found[kind] = message
    violations = found["BadRequest"].field_violations if "BadRequest" in found else ()
    return Failure(
        code=error.code(),
        message=error.details() or "",
        fields={violation.field: violation.description for violation in violations},
        quota=found["QuotaFailure"].violations[0].subject if "QuotaFailure" in found else "",
        retry=found["RetryInfo"].retry_delay.ToNanoseconds() / 1e9 if "RetryInfo" in found else None,
        resource=found["ResourceInfo"].resource_name if "ResourceInfo" in found else "",
    )


class _Call:
    """An error of either client as `grpc_status` reads calls."""

    def __init__(self, error: Any) -> None:
        self._error = error

    def trailing_metadata(self) -> Sequence[tuple[str, Any]]:
        return tuple((key, value) for key, value in self._error.trailing_metadata() or ())

    def code(self) -> grpc.StatusCode:
        return self._error.code()

    def details(self) -> str:
        return self._error.details() or ""

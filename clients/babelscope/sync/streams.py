"""The synchronous stream of an encode call: a thin loop around `babelscope.calls.encode`."""

import threading
import time
from collections.abc import Generator, Iterable, Iterator
from types import TracebackType
from typing import Any, Protocol, Self

import grpc

from babelscope.calls.encode import EncodeSession
from babelscope.data.activations import EncodedBlock, EncodeInfo, EncodeTotals
from babelscope.data.blocks import Chunk
from babelscope.data.texts import Text
from babelscope.sync.caller import Caller
from babelscope.v1 import encoder_pb2

Texts = Iterable[Text | str]
"""Texts to be read lazily."""


class Call(Protocol):
    """What a stream needs of a running call."""

    def __iter__(self) -> Iterator[encoder_pb2.EncodeResponse]:
        """The answers."""

    def cancel(self) -> Any:
        """Ends the call."""


class EncodeStream(Iterator[EncodedBlock]):
    """Blocks of hidden states as they are ready: an iterator, and a context manager that ends the call.

    Made by `EncoderClient.stream`.

    Args:
        caller: Calls the encoder.
        session: The state of the call.
        texts: Read lazily, in a thread of gRPC's.
        timeout: Seconds for all attempts; those configured for streams where None.
    """

    def __init__(self, caller: Caller, session: EncodeSession, texts: Texts, timeout: float | None = None) -> None:
        self._session = session
        self._blocks = _run(caller, session, _Feeder(session, texts), timeout)

    @property
    def info(self) -> EncodeInfo:
        """What the call resolved to; known from the first block on.

        Raises:
            RuntimeError: No block has come yet.
        """
        return self._session.resolved

    @property
    def totals(self) -> EncodeTotals:
        """Totals so far."""
        return self._session.totals

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> EncodedBlock:
        return next(self._blocks)

    def close(self) -> None:
        """Ends the call; the server drops what it had not done."""
        self._blocks.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def _run(
    caller: Caller, session: EncodeSession, feeder: "_Feeder", timeout: float | None
) -> Generator[EncodedBlock, None, None]:
    """All attempts, one after the other."""
    with caller.attempts("Encode", caller.stream_timeout(timeout)) as attempts:
        while not session.done:
            broken: grpc.RpcError | None = None
            call: Call = caller.method("Encode")(feeder.attempt(), **attempts.begin())
            feeder.attach(call)
            try:
                for response in call:
                    block = feeder.receive(response)
                    attempts.answered(progress=block is not None)
                    if block is not None:
                        yield block
            except grpc.RpcError as error:
                broken = error
            finally:
                feeder.stop()
                call.cancel()
            feeder.check()
            if broken is None:
                session.end()
            elif not session.done:
                time.sleep(attempts.delay(broken))


class _Feeder:
    """Feeds a session's texts to gRPC, which reads requests in a thread of its own, an attempt at a time."""

    def __init__(self, session: EncodeSession, texts: Texts) -> None:
        self._session = session
        self._texts = iter(texts)
        self._changed = threading.Condition()
        self._pulling = threading.Lock()  # one thread at a time reads the caller's texts
        self._attempt = 0
        self._failure: Exception | None = None
        self._call: Call | None = None

    def attempt(self) -> Iterator[encoder_pb2.EncodeRequest]:
        """The requests of a new attempt."""
        with self._changed:
            self._attempt += 1
            self._call = None
            return self._requests(self._session.begin(), self._attempt)

    def attach(self, call: Call) -> None:
        """Tells which call to end where the caller's texts cannot be read."""
        self._call = call
        if self._failure is not None:
            call.cancel()

    def stop(self) -> None:
        """Ends the attempt: whoever waits for room is let go."""
        with self._changed:
            self._attempt += 1
            self._changed.notify_all()

    def receive(self, response: encoder_pb2.EncodeResponse | Chunk) -> EncodedBlock | None:
        """Hands an answer to the session; makes room."""
        self.check()
        with self._changed:
            block = self._session.receive(response)
            self._changed.notify_all()
        return block

    def check(self) -> None:
        """Raises what the caller's own texts raised, if they did."""
        if self._failure is not None:
            raise self._failure

    def _requests(self, first: encoder_pb2.EncodeRequest, attempt: int) -> Iterator[encoder_pb2.EncodeRequest]:
        """The messages of one attempt, as there is room for them."""
        yield first
        session = self._session
        while True:
            with self._changed:
                self._changed.wait_for(
                    lambda: self._attempt != attempt or session.message_ready or session.wants_text or session.all_sent
                )
                if self._attempt != attempt or session.all_sent:
                    return
                try:
                    message = session.next_message() if session.message_ready else None
                except Exception as error:
                    self._fail(error)
                    return
            if message is not None:
                yield message
            elif not self._pull(attempt):
                return

    def _pull(self, attempt: int) -> bool:
        """Reads one of the caller's texts; whether the attempt goes on. A text once read belongs to the session."""
        with self._pulling:
            with self._changed:
                if self._attempt != attempt or not self._session.wants_text:
                    return self._attempt == attempt
            try:
                text = next(self._texts)
                with self._changed:
                    self._session.add(text)
            except StopIteration:
                with self._changed:
                    self._session.close()
            except Exception as error:
                self._fail(error)
                return False
            return True

    def _fail(self, error: Exception) -> None:
        """Ends the call; gRPC would only log the error, so the caller's own thread raises it, in `check`."""
        self._failure = error
        if self._call is not None:
            self._call.cancel()

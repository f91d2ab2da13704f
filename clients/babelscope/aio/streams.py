"""The asynchronous stream of an encode call: a thin loop around `babelscope.calls.encode`."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterable, AsyncIterator, Iterable
from types import TracebackType
from typing import Any, Final, Self

import grpc

from babelscope.aio.caller import AsyncCaller
from babelscope.calls.encode import EncodeSession
from babelscope.data.activations import EncodedBlock, EncodeInfo, EncodeTotals
from babelscope.data.blocks import Chunk
from babelscope.data.texts import Text
from babelscope.transport.first_status import FirstStatus
from babelscope.v1 import encoder_pb2

Texts = AsyncIterable[Text | str] | Iterable[Text | str]
"""Texts to be read lazily."""

_LINGER_SECONDS: Final = 0.002  # how long a message that is not full waits for the caller's next text
_END: Final = object()


class AsyncEncodeStream(AsyncIterator[EncodedBlock]):
    """Blocks of hidden states as they are ready: an async iterator, and a context manager that ends the call.

    Made by `AsyncEncoderClient.stream`.

    Args:
        caller: Calls the encoder.
        session: The state of the call.
        texts: Read lazily.
        timeout: Seconds for all attempts; those configured for streams where None.
    """

    def __init__(self, caller: AsyncCaller, session: EncodeSession, texts: Texts, timeout: float | None = None) -> None:
        self._session = session
        self._feeder = _Feeder(session, texts)
        self._blocks = _run(caller, session, self._feeder, timeout)

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

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> EncodedBlock:
        return await anext(self._blocks)

    async def aclose(self) -> None:
        """Ends the call; the server drops what it had not done."""
        await self._blocks.aclose()
        await self._feeder.aclose()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.aclose()


async def _run(
    caller: AsyncCaller, session: EncodeSession, feeder: "_Feeder", timeout: float | None
) -> AsyncGenerator[EncodedBlock, None]:
    """All attempts, one after the other."""
    with caller.attempts("Encode", caller.stream_timeout(timeout)) as attempts:
        while not session.done:
            broken: Any = None
            call = caller.method("Encode")(**attempts.begin())
            first_status = FirstStatus(call)
            sender = asyncio.create_task(feeder.send(call, session.begin()))
            try:
                async for response in call:
                    block = feeder.receive(response)
                    attempts.answered(progress=block is not None)
                    if block is not None:
                        yield block
            except grpc.RpcError as error:
                broken = first_status.of(error)
            except asyncio.CancelledError:
                feeder.check()  # the call was ended because the caller's texts failed
                raise
            finally:
                call.cancel()
                sender.cancel()
                await asyncio.wait([sender])
            feeder.check()
            if broken is None:
                session.end()
            elif not session.done:
                await asyncio.sleep(attempts.delay(broken))


class _Feeder:
    """Feeds a session's texts to a call, an attempt at a time."""

    def __init__(self, session: EncodeSession, texts: Texts) -> None:
        self._session = session
        self._source = _Source(texts)
        self._room = asyncio.Event()
        self._failure: Exception | None = None

    def receive(self, response: encoder_pb2.EncodeResponse | Chunk) -> EncodedBlock | None:
        """Hands an answer to the session; makes room."""
        self.check()
        block = self._session.receive(response)
        self._room.set()
        return block

    def check(self) -> None:
        """Raises what the caller's own texts raised, if they did."""
        if self._failure is not None:
            raise self._failure

    async def aclose(self) -> None:
        """Lets go of the caller's texts."""
        await self._source.aclose()

    async def send(self, call: Any, first: encoder_pb2.EncodeRequest) -> None:
        """Sends one attempt's messages as there is room for them."""
        try:
            await call.write(first)
            while (message := await self._next()) is not None:
                await call.write(message)
            await call.done_writing()
        except (grpc.RpcError, asyncio.InvalidStateError):
            return  # the call is over; the reader learns why
        except Exception as error:  # the caller's texts failed: raised again where they are awaited, by `check`
            self._failure = error
            call.cancel()

    async def _next(self) -> encoder_pb2.EncodeRequest | None:
        """The next message; None when all is sent."""
        session = self._session
        while not session.message_ready:
            if session.all_sent:
                return None
            if session.wants_text:
                # A slow source must not hold back the texts at hand: its owner may wait for their answers.
                if session.has_unsent and not await self._source.ready(_LINGER_SECONDS):
                    break
                text = await self._source.take()
                if isinstance(text, Text | str):
                    session.add(text)
                elif text is _END:
                    session.close()
                else:
                    raise TypeError(f"Expected a Text or str, but got {type(text).__name__}")
            else:
                self._room.clear()
                await self._room.wait()
        return session.next_message()


class _Source:
    """The caller's texts, one at a time. Being cancelled while it waits loses no text."""

    def __init__(self, texts: Texts) -> None:
        self._sync: Any = None
        self._async: Any = None
        self._next: asyncio.Task[Any] | None = None
        if isinstance(texts, AsyncIterable):
            self._async = aiter(texts)
        else:
            self._sync = iter(texts)

    async def ready(self, seconds: float) -> bool:
        """Whether the next text is there, or comes within some seconds."""
        if self._async is None:
            return True
        self._next = self._next or asyncio.create_task(self._step())
        if not self._next.done():
            await asyncio.wait([self._next], timeout=seconds)
        return self._next.done()

    async def take(self) -> object:
        """The next text, or `_END`."""
        if self._async is None:
            return next(self._sync, _END)
        self._next = self._next or asyncio.create_task(self._step())
        await asyncio.wait([self._next])
        task, self._next = self._next, None
        return task.result()

    async def _step(self) -> object:
        """One step of an async iterator."""
        return await anext(self._async, _END)

    async def aclose(self) -> None:
        """Drops the step that was under way."""
        if self._next is not None:
            self._next.cancel()
            await asyncio.wait([self._next])
            if not self._next.cancelled():
                self._next.exception()  # the caller has gone: nobody is left to be told
            self._next = None

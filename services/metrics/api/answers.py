"""What a stream's door shares with the others: the first of its messages, and the writing of its answer."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Sequence
from typing import Any, Final

from services.metrics.api import responses
from services.metrics.estimates.estimates import Estimate, Progress
from services.metrics.rows.reports import PairReport, ViewReport
from services.runtime.errors import InvalidArgument

_PROGRESS_SECONDS: Final = 0.1


class Answers:
    """Writes the messages of one answer, one at a time.

    Args:
        context: Of the call.
        kind: Makes a message of the answer.
    """

    def __init__(self, context: Any, kind: Callable[..., Any]) -> None:
        self._context = context
        self._kind = kind
        self._lock = asyncio.Lock()
        self._told = 0.0

    async def tell(self, progress: Progress) -> None:
        """Writes progress, but not too often; first and last of a stage always."""
        now = time.monotonic()
        if 0 < progress.done < progress.total and now - self._told < _PROGRESS_SECONDS:
            return
        self._told = now
        await self.write(progress=responses.progress(progress))

    async def found(self, estimates: Sequence[Estimate]) -> None:
        """Writes numbers."""
        await self.write(estimates=responses.estimates(estimates))

    async def report(self, views: Sequence[ViewReport], pairs: Sequence[PairReport], state: str = "") -> None:
        """Writes what was used."""
        await self.write(report=responses.report(views, pairs, state))

    async def write(self, **message: Any) -> None:
        """Writes a message, to its end."""
        async with self._lock:
            write = asyncio.ensure_future(self._context.write(self._kind(**message)))
            try:
                await asyncio.shield(write)
            except asyncio.CancelledError:
                # One view's failure cancels the others while they tell of their progress. A write given up half-way
                # would still occupy the stream: gRPC could not send the status, and the client would wait for ever.
                await asyncio.wait([write])
                raise


async def first(messages: AsyncIterator[Any]) -> Any:
    """The specification, which the first message carries.

    Raises:
        InvalidArgument: It carries something else, or there is none.
    """
    async for message in messages:
        if message.WhichOneof("message") != "spec":
            got = message.WhichOneof("message") or "an empty message"
            raise InvalidArgument("spec", f"Expected `spec` in the first message, but got {got}")
        return message.spec
    raise InvalidArgument("spec", "Expected `spec` in the first message, but the stream ended without any")

"""The messages of an answer that every stream of this service has: progress, numbers, what was used."""

import time
from collections.abc import Callable, Sequence
from typing import Any, Final

from services.metrics.api import responses
from services.metrics.estimates.estimates import Estimate, Progress
from services.metrics.rows.reports import PairReport, ViewReport

_PROGRESS_SECONDS: Final = 0.1


class Answers:
    """Writes the messages of one answer.

    Args:
        context: gRPC context of the call.
        kind: Makes a message of the answer.
    """

    def __init__(self, context: Any, kind: Callable[..., Any]) -> None:
        self._context = context
        self._kind = kind
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
        """Writes a message."""
        await self._context.write(self._kind(**message))

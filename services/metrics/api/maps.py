"""The door to maps: messages with rows of two views come in, maps go to the store and their names out."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import ExitStack, aclosing, suppress
from functools import partial
from typing import Any, Final

from babelscope.v1 import metrics_pb2

from services.metrics.api.answers import Answers
from services.metrics.api.desk import Desk
from services.metrics.api.map_requests import read_fit_map
from services.metrics.estimates.estimates import Progress
from services.metrics.maps.fitting import FittedMap, fit_maps, known_pairs
from services.runtime.streams import first
from services.runtime.work import Feed

_PAIRS: Final = 4096
"""Pairs of a dictionary in one message, at most."""


class MapsDoor:
    """Answers `FitMap`.

    Args:
        desk: Parts of the server that the door uses.
    """

    def __init__(self, desk: Desk) -> None:
        self._settings = desk.settings
        self._flow = desk.flow
        self._fitters = desk.fitters
        self._store = desk.store

    async def FitMap(  # noqa: N802 - gRPC's name; it writes instead of yielding
        self, request_iterator: AsyncIterator[metrics_pb2.FitMapRequest], context: Any
    ) -> None:
        """Maps between two views, one a layer."""
        spec = await first(request_iterator)
        plan = await asyncio.to_thread(read_fit_map, spec, self._settings)  # it may hold many pairs of ids
        answer = Answers(context, metrics_pb2.FitMapResponse)
        beat = _Beat(answer)
        with ExitStack() as stack:
            specs = [spec.source.encode, spec.target.encode]
            tables = await self._flow.tables(
                plan, specs, request_iterator, stack, answer.tell, check_ids=partial(known_pairs, plan)
            )

            def work(feed: Feed[Any]) -> Iterator[FittedMap]:
                return fit_maps(
                    plan, tables, self._store, budget=self._settings.work_bytes, check=feed.check, tell=beat.strike
                )

            following = asyncio.create_task(beat.follow())
            try:
                async with aclosing(self._fitters.run(work)) as maps:
                    async for found in maps:
                        for part in _messages(found):
                            await answer.write(map=part)
            finally:
                following.cancel()
                with suppress(asyncio.CancelledError):
                    await following


class _Beat:
    """Progress from a thread to the client: the latest, not all of it.

    Args:
        answer: Writer of the request's answer.
    """

    def __init__(self, answer: Answers) -> None:
        self._answer = answer
        self._loop = asyncio.get_running_loop()
        self._struck = asyncio.Event()
        self._latest = Progress("fit", 0, 0, "")

    def strike(self, progress: Progress) -> None:
        """Takes progress, in any thread."""
        self._latest = progress
        # A thread that was told to stop may come here once more after the loop has ended with its server.
        with suppress(RuntimeError):
            self._loop.call_soon_threadsafe(self._struck.set)

    async def follow(self) -> None:
        """Tells of it for ever."""
        while True:
            await self._struck.wait()
            self._struck.clear()
            await self._answer.tell(self._latest)


def _messages(found: FittedMap) -> Iterator[metrics_pb2.FittedMap]:
    """A map in messages of bounded size."""
    pairs = [metrics_pb2.IdPair(source_id=source, target_id=target) for source, target in found.dictionary]
    yield metrics_pb2.FittedMap(
        layer=found.layer,
        source_map=found.source_map,
        target_map=found.target_map,
        trace=found.trace,
        dictionary=pairs[:_PAIRS],
        signature=found.signature,
        warnings=found.warnings,
        affine=found.affine,
    )
    for start in range(_PAIRS, len(pairs), _PAIRS):
        yield metrics_pb2.FittedMap(layer=found.layer, dictionary=pairs[start : start + _PAIRS])

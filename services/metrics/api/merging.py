"""The door to shards: messages to domain calls and back."""

from collections.abc import AsyncIterator, Iterator
from contextlib import aclosing
from typing import Any

from babelscope.v1 import metrics_pb2

from services.metrics.api import requests, responses
from services.metrics.api.desk import Desk
from services.metrics.estimates.estimates import Event, Found
from services.metrics.similarity.shards import Merged, merge
from services.runtime.work import Feed


class MergingDoor:
    """Answers `Merge`.

    Args:
        desk: Parts of the server that the door uses.
    """

    def __init__(self, desk: Desk) -> None:
        self._settings = desk.settings
        self._workers = desk.workers
        self._store = desk.store

    async def Merge(  # noqa: N802 - gRPC's name
        self, request: metrics_pb2.MergeRequest, context: Any
    ) -> AsyncIterator[metrics_pb2.MergeResponse]:
        """Numbers of the whole from the sums of its shards."""
        measures, preprocessing = requests.read_merge(request, self._settings)
        names = tuple(request.states)

        def work(feed: Feed[Any]) -> Iterator[Event | Merged]:
            return merge(self._store, names, measures, preprocessing, keep=request.keep_state, check=feed.check)

        async with aclosing(self._workers.run(work)) as events:
            async for event in events:
                match event:
                    case Found():
                        yield metrics_pb2.MergeResponse(estimates=responses.estimates(event.estimates))
                    case Merged():
                        report = responses.report(event.views, event.pairs, event.state)
                        yield metrics_pb2.MergeResponse(report=report)

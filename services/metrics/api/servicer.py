"""The door of the metrics service: messages to domain calls and back."""

from collections.abc import AsyncIterator
from typing import Any, Final

from babelscope.v1 import metrics_pb2, metrics_pb2_grpc

from services.metrics.api import requests
from services.metrics.api.answers import Answers
from services.metrics.api.capabilities import CapabilitiesDoor
from services.metrics.api.desk import Desk
from services.metrics.api.maps import MapsDoor
from services.metrics.api.merging import MergingDoor
from services.metrics.api.projection import ProjectionDoor
from services.metrics.api.scores import ScoresDoor
from services.metrics.api.statistics import StatisticsDoor
from services.runtime.streams import first

_CALLS: Final = [method.name for method in metrics_pb2.DESCRIPTOR.services_by_name["MetricsService"].methods]


class MetricsServicer(metrics_pb2_grpc.MetricsServiceServicer):
    """Answers `babelscope.v1.MetricsService`: similarity and retrieval itself, all other calls by one door a family.

    Args:
        desk: Parts of the server that it uses.
    """

    def __init__(self, desk: Desk) -> None:
        self._settings, self._flow = desk.settings, desk.flow
        doors: tuple[object, ...] = (
            CapabilitiesDoor(),
            MapsDoor(desk),
            MergingDoor(desk),
            ProjectionDoor(desk),
            ScoresDoor(desk),
            StatisticsDoor(desk),
        )
        for door in doors:
            for call in _CALLS:
                if hasattr(door, call):
                    setattr(self, call, getattr(door, call))

    async def Compare(  # type: ignore[override]  # noqa: N802 - gRPC's name; it writes instead of yielding
        self, request_iterator: AsyncIterator[metrics_pb2.CompareRequest], context: Any
    ) -> None:
        """Similarity of all pairs of views."""
        spec = await first(request_iterator)
        plan = requests.read_compare(spec, self._settings)
        answer = Answers(context, metrics_pb2.CompareResponse)
        await self._flow.compare(plan, [view.encode for view in spec.views], request_iterator, answer)

    async def Retrieve(  # type: ignore[override]  # noqa: N802 - gRPC's name; it writes instead of yielding
        self, request_iterator: AsyncIterator[metrics_pb2.RetrieveRequest], context: Any
    ) -> None:
        """Nearest-neighbour retrieval between all pairs of views."""
        spec = await first(request_iterator)
        plan = requests.read_retrieve(spec, self._settings)
        answer = Answers(context, metrics_pb2.RetrieveResponse)
        await self._flow.retrieve(plan, [view.encode for view in spec.views], request_iterator, answer)

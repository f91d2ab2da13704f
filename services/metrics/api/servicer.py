"""The door of the metrics service: messages to domain calls and back."""

from collections.abc import AsyncIterator
from typing import Any

from babelscope.v1 import metrics_pb2, metrics_pb2_grpc

from services.metrics.api import requests
from services.metrics.api.answers import Answers
from services.metrics.api.capabilities import CapabilitiesDoor
from services.metrics.api.flow import Flow
from services.metrics.api.maps import MapsDoor
from services.metrics.api.merging import MergingDoor
from services.metrics.api.projection import ProjectionDoor
from services.metrics.api.scores import ScoresDoor
from services.metrics.api.sources import Sources
from services.metrics.api.statistics import StatisticsDoor
from services.metrics.rows.scratch import Scratch
from services.metrics.settings import MetricsSettings
from services.runtime.files.store import Store
from services.runtime.memory import Memory
from services.runtime.streams import first
from services.runtime.work import Workers


class MetricsServicer(  # type: ignore[misc]  # the stub knows no door that writes instead of yielding
    CapabilitiesDoor,
    MapsDoor,
    MergingDoor,
    ProjectionDoor,
    ScoresDoor,
    StatisticsDoor,
    metrics_pb2_grpc.MetricsServiceServicer,
):
    """Answers `babelscope.v1.MetricsService`.

    Args:
        settings: Limits.
        scratch: Where rows lie.
        sources: Where the rows of texts come from.
        workers: Threads for measuring.
        fitters: Threads for fitting maps.
        store: Where sums and maps are kept.
    """

    def __init__(  # noqa: PLR0917 - what a server is put together from
        self,
        settings: MetricsSettings,
        scratch: Scratch,
        sources: Sources,
        workers: Workers,
        fitters: Workers,
        store: Store,
    ) -> None:
        self._settings = settings
        self._workers = workers
        self._fitters = fitters
        self._store = store
        self._memory = Memory(settings.held_bytes)
        self._flow = Flow(settings, scratch, sources, workers, store, self._memory)

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

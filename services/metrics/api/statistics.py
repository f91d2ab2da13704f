"""The door to statistics: messages to domain calls and back."""

from collections.abc import Callable
from dataclasses import asdict
from typing import Any, TypeVar

from babelscope.v1 import metrics_pb2

from services.metrics.api.desk import Desk
from services.metrics.estimates.estimates import Check
from services.metrics.statistics import anova, compare_systems, correlate
from services.metrics.statistics.correlation import DEFAULT_PERMUTATIONS
from services.metrics.statistics.systems import DEFAULT_RESAMPLES
from services.runtime.errors import InvalidArgument

Result = TypeVar("Result")


class StatisticsDoor:
    """Answers `Correlate`, `Anova` and `CompareSystems`.

    Args:
        desk: Parts of the server that the door uses.
    """

    def __init__(self, desk: Desk) -> None:
        self._workers = desk.workers

    async def Correlate(  # noqa: N802 - gRPC's name
        self, request: metrics_pb2.CorrelateRequest, context: Any
    ) -> metrics_pb2.CorrelateResponse:
        """Correlations of two samples."""
        found = await self._result(
            lambda check: correlate(
                request.x,
                request.y,
                tuple(request.methods),
                permutations=request.permutations or DEFAULT_PERMUTATIONS,
                seed=request.seed,
                check=check,
            )
        )
        return metrics_pb2.CorrelateResponse(correlations=[metrics_pb2.Correlation(**asdict(one)) for one in found])

    async def Anova(  # noqa: N802 - gRPC's name
        self, request: metrics_pb2.AnovaRequest, context: Any
    ) -> metrics_pb2.AnovaResponse:
        """One-way analysis of variance."""
        groups = {group.name: list(group.values) for group in request.groups}
        if len(groups) < len(request.groups):
            raise InvalidArgument("groups", f"Expected unique names of groups, but got {len(groups)} names")
        found = await self._result(lambda _: anova(groups))
        return metrics_pb2.AnovaResponse(**asdict(found))

    async def CompareSystems(  # noqa: N802 - gRPC's name
        self, request: metrics_pb2.CompareSystemsRequest, context: Any
    ) -> metrics_pb2.CompareSystemsResponse:
        """Paired bootstrap between two systems."""
        found = await self._result(
            lambda check: compare_systems(
                request.first,
                request.second,
                resamples=request.resamples or DEFAULT_RESAMPLES,
                seed=request.seed,
                check=check,
            )
        )
        return metrics_pb2.CompareSystemsResponse(**asdict(found))

    async def _result(self, work: Callable[[Check], Result]) -> Result:
        """Runs work in a thread, which stops where nobody waits for it any more."""
        return await self._workers.one(lambda feed: work(feed.check))

"""The door to projections: messages with rows come in, coordinates go out."""

from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import ExitStack, aclosing
from typing import Any, Final

from babelscope.data.tensors import to_proto
from babelscope.v1 import metrics_pb2

from services.metrics.api.answers import Answers
from services.metrics.api.desk import Desk
from services.metrics.api.requests import read_views
from services.metrics.estimates.estimates import Progress
from services.metrics.projection.base import ProjectPlan
from services.metrics.projection.engine import CHUNK_BYTES, Placed, project
from services.metrics.projection.registry import METHODS
from services.metrics.settings import MetricsSettings
from services.runtime.errors import InvalidArgument
from services.runtime.streams import first
from services.runtime.work import Feed

DEFAULT_COMPONENTS: Final = 2
_ID_BYTES: Final = 4
"""Of an id in a message, beside its letters."""


class ProjectionDoor:
    """Answers `Project`.

    Args:
        desk: Parts of the server that the door uses.
    """

    def __init__(self, desk: Desk) -> None:
        self._settings = desk.settings
        self._flow = desk.flow
        self._workers = desk.workers
        self._fitters = desk.fitters

    async def Project(  # noqa: N802 - gRPC's name; it writes instead of yielding
        self, request_iterator: AsyncIterator[metrics_pb2.ProjectRequest], context: Any
    ) -> None:
        """Coordinates of the rows of all views on common axes."""
        spec = await first(request_iterator)
        plan = read_project(spec, self._settings)
        answer = Answers(context, metrics_pb2.ProjectResponse)
        with ExitStack() as stack:
            specs = [view.encode for view in spec.views]
            tables = await self._flow.tables(plan, specs, request_iterator, stack, answer.tell)

            def work(feed: Feed[Any]) -> Iterator[Progress | Placed]:
                return project(plan, tables, budget=self._settings.work_bytes, check=feed.check)

            # UMAP cannot be stopped on its way: it must not keep others from being measured.
            workers = self._fitters if plan.method == "umap" else self._workers
            async with aclosing(workers.run(work)) as events:
                async for event in events:
                    match event:
                        case Progress():
                            await answer.tell(event)
                        case Placed():
                            name, ids = plan.views[event.view].name, tables[event.view].ids
                            for part in messages(event, name, ids):
                                await answer.write(projection=part)
            await answer.report([table.report for table in tables], ())


def read_project(spec: metrics_pb2.ProjectSpec, settings: MetricsSettings) -> ProjectPlan:
    """The plan of a projection.

    Raises:
        InvalidArgument: A field is wrong; names it and what is allowed.
        LimitExceeded: Too many views or layers.
    """
    method = spec.method or next(iter(METHODS))
    if method not in METHODS:
        raise InvalidArgument("spec.method", f"Expected a method of {', '.join(METHODS)}, but got {method[:80]!r}")
    if spec.components < 0:
        raise InvalidArgument("spec.components", f"Expected at least 1 component, but got {spec.components}")
    return ProjectPlan(
        views=read_views(spec.views, settings, least=1),
        pairs=(),
        pairing="same",
        alignment="strict",
        method=method,
        components=spec.components or DEFAULT_COMPONENTS,
        seed=spec.seed,
    )


def messages(placed: Placed, name: str, ids: Sequence[str], limit: int = CHUNK_BYTES) -> Iterator[Any]:
    """Coordinates in messages of bounded size.

    Args:
        placed: Coordinates.
        name: Name of the view.
        ids: Ids of all rows of the view.
        limit: Bytes of ids and coordinates in a message, which has at least one row.
    """
    rows = placed.coordinates
    width = int(rows[:1].nbytes) + _ID_BYTES
    first_row, size = 0, 0
    for row in range(len(rows) + 1):
        more = width + len(ids[placed.start + row].encode()) if row < len(rows) else 0
        if row > first_row and (row == len(rows) or size + more > limit):
            yield metrics_pb2.Projection(
                view=name,
                layer=placed.layer,
                ids=ids[placed.start + first_row : placed.start + row],
                coordinates=to_proto(rows[first_row:row]),
                explained_variance=placed.shares,
                signature=placed.signature,
                warnings=placed.warnings,
            )
            first_row, size = row, 0
        size += more

"""Coordinates of rows on axes fitted to several views together, as the metrics server answers them."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from babelscope.calls.metrics import messages
from babelscope.calls.options import ViewOptions, check_options
from babelscope.calls.views import AnyView, Views
from babelscope.data.activations import Progress
from babelscope.data.comparison import ViewReport, ViewUse
from babelscope.data.tensors import to_numpy
from babelscope.errors import DataCorrupted
from babelscope.v1 import metrics_pb2


@dataclass(frozen=True, slots=True, eq=False)
class Projection:
    """Coordinates of the rows of several views on axes that are the same for all of them.

    Args:
        coordinates: Coordinates by view and layer, [n, components] float32; float64 where rows of any view were.
        ids: Ids of the rows by view.
        explained_variance: Share of the variance of all views for each component, by layer; empty for umap.
        signatures: Settings behind the coordinates of each layer, in one line.
        warnings: Warnings by layer.
        views: Report of the server on each view.
        uses: The client's description of each view, by name.
    """

    coordinates: Mapping[tuple[str, int], NDArray[Any]]
    ids: Mapping[str, tuple[str, ...]]
    explained_variance: Mapping[int, tuple[float, ...]]
    signatures: Mapping[int, str] = field(default_factory=dict)
    warnings: Mapping[int, tuple[str, ...]] = field(default_factory=dict)
    views: tuple[ViewReport, ...] = ()
    uses: Mapping[str, ViewUse] = field(default_factory=dict)

    @property
    def layers(self) -> tuple[int, ...]:
        """The layers, in the server's order."""
        return tuple(self.signatures)

    @property
    def components(self) -> int:
        """Coordinates of a row."""
        return next((int(array.shape[1]) for array in self.coordinates.values()), 0)

    def table(self) -> Iterator[dict[str, Any]]:
        """One tidy row an item a layer: `view`, `language`, `model`, `layer`, `id`, then `x1`, `x2`, ..."""
        for (view, layer), array in self.coordinates.items():
            use = self.uses.get(view, ViewUse())
            for name, row in zip(self.ids[view], array, strict=True):
                axes = {f"x{axis}": float(value) for axis, value in enumerate(row, 1)}
                yield {"view": view, "language": use.language, "model": use.model, "layer": layer, "id": name, **axes}


class ProjectionWork:
    """One call of `Project`, which can be made as often as it takes.

    Args:
        views: Views by name; hidden states of tokens are rows of their own, `ID#0`, `ID#1`, ...
        encoding: Encoding of views that give none of their own.
        components: Coordinates of a row.
        method: `pca` or `umap`.
        seed: For umap.
    """

    method = "Project"

    def __init__(
        self, views: Mapping[str, AnyView], encoding: ViewOptions, *, components: int, method: str, seed: int
    ) -> None:
        check_options(encoding, ViewOptions, "project")
        self._views = Views(views, encoding)
        self._spec = metrics_pb2.ProjectSpec(views=self._views.protos, components=components, method=method, seed=seed)

    def requests(self) -> Iterator[metrics_pb2.ProjectRequest]:
        """All messages, from the first."""
        return messages(metrics_pb2.ProjectRequest(spec=self._spec), self._views, metrics_pb2.ProjectRequest)

    def fold(self) -> "ProjectionFold":
        """An empty fold for the answers of one attempt."""
        return ProjectionFold(self._views.uses)


class ProjectionFold:
    """Folds the answers of a `Project` call. Pure: both twins drive it.

    Args:
        uses: The client's description of each view.
    """

    def __init__(self, uses: Mapping[str, ViewUse]) -> None:
        self._uses = uses
        self._parts: dict[tuple[str, int], list[metrics_pb2.Projection]] = {}
        self._report: metrics_pb2.AlignmentReport | None = None

    def receive(self, response: metrics_pb2.ProjectResponse) -> Progress | None:
        """Takes an answer in; the progress where it tells of one."""
        match response.WhichOneof("message"):
            case "projection":
                part = response.projection
                self._parts.setdefault((part.view, part.layer), []).append(part)
            case "report":
                self._report = response.report
            case "progress":
                told = response.progress
                return Progress(told.stage, told.done, told.total, told.detail)
        return None

    def finish(self) -> Projection:
        """The whole, once the stream has ended.

        Raises:
            DataCorrupted: It ended before its report, or rows are missing.
            TensorError: The bytes of coordinates do not fit their description.
        """
        if self._report is None:
            raise DataCorrupted("Expected a report at the end of the answer, but the stream ended without one")
        rows = {view.name: view.rows for view in self._report.views}
        coordinates: dict[tuple[str, int], NDArray[Any]] = {}
        ids: dict[str, tuple[str, ...]] = {}
        firsts: dict[int, metrics_pb2.Projection] = {}
        for (view, layer), parts in self._parts.items():
            array = np.concatenate([to_numpy(part.coordinates, field="projection.coordinates") for part in parts])
            ids[view] = tuple([name for part in parts for name in part.ids])
            if not len(array) == len(ids[view]) == rows.get(view):
                raise DataCorrupted(
                    f"Expected {rows.get(view)} rows of view {view!r} at layer {layer}, but got {len(array)} with "
                    f"{len(ids[view])} ids"
                )
            coordinates[view, layer] = array
            firsts.setdefault(layer, parts[0])
        return Projection(
            coordinates=coordinates,
            ids=ids,
            explained_variance={layer: tuple(first.explained_variance) for layer, first in firsts.items()},
            signatures={layer: first.signature for layer, first in firsts.items()},
            warnings={layer: tuple(first.warnings) for layer, first in firsts.items()},
            views=tuple(map(ViewReport.from_proto, self._report.views)),
            uses=dict(self._uses),
        )

"""The asynchronous call of the metrics server for coordinates of rows."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any

from babelscope.calls.encode import FloatType, Overflow, Pooling
from babelscope.calls.metrics import MetricsBase
from babelscope.calls.projection import Projection, ProjectionWork
from babelscope.calls.views import AnyView, Defaults
from babelscope.data.activations import Progress
from babelscope.data.models import Intervention, Model


class AsyncProjectionCalls(MetricsBase):
    """The call for coordinates, part of the metrics client."""

    _run: Callable[..., Awaitable[Any]]

    @property
    def _stub(self) -> Any:
        """The stub."""
        raise NotImplementedError

    async def project(
        self,
        views: Mapping[str, AnyView],
        components: int = 2,
        *,
        method: str = "pca",
        seed: int = 0,
        model: Model | str | None = None,
        layers: Sequence[int] | None = None,
        pooling: Pooling = "mean",
        interventions: Sequence[Intervention] = (),
        overflow: Overflow = "refuse",
        compute_dtype: FloatType = "float32",
        max_tokens: int | None = None,
        progress: Callable[[Progress], None] | None = None,
        timeout: float | None = None,
    ) -> Projection:
        """Coordinates of all rows of all views on axes fitted to the views together, layer by layer.

        Args:
            views: By name, at least one: views, lists of texts, or activations, of tokens as well (`encode` with the
                pooling `token`; their ids are those of the texts with `#0`, `#1`, ...). They need not share ids.
            components: Coordinates of a row.
            method: `pca`, or `umap` where the server has its package.
            seed: For umap.
            model: The weights, for views of texts that name none.
            layers: Hidden states wanted; all where None.
            pooling: `mean` or `cls`.
            interventions: Edits of the hidden states.
            overflow: `refuse` or `truncate` texts of too many tokens.
            compute_dtype: Arithmetic of the model.
            max_tokens: Longest input in tokens; the model's own limit where None.
            progress: Called as the work goes on.
            timeout: Seconds for the whole call.

        Raises:
            InvalidRequest: `.field` names what is wrong.
            RpcError: The server answered with another error, or could not be reached for too long.
        """
        defaults = Defaults(model, layers, pooling, interventions, overflow, compute_dtype, max_tokens)
        work = ProjectionWork(views, defaults, components=components, method=method, seed=seed)
        found: Projection = await self._run(self._stub.Project, work, progress, timeout)
        return found

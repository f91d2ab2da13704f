"""The synchronous call of the metrics server for maps."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from babelscope.calls.encode import FloatType, Overflow, Pooling
from babelscope.calls.maps import FittedMap, MapWork
from babelscope.calls.metrics import MetricsBase
from babelscope.calls.views import AnyView, Defaults
from babelscope.data.activations import Progress
from babelscope.data.models import Intervention, Model


class MapCalls(MetricsBase):
    """The call for maps, part of the metrics client."""

    _stub: Any
    _run: Callable[..., Any]

    def fit_map(
        self,
        source: AnyView,
        target: AnyView,
        method: str = "procrustes",
        *,
        seeds: Iterable[tuple[str, str]] = (),
        options: Mapping[str, Any] | None = None,
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
    ) -> dict[int, FittedMap]:
        """Learns linear maps from one view to another, one a layer; the store keeps them.

        Args:
            source: A view, a list of texts, or activations; the most frequent rows come first.
            target: The same of the other language.
            method: `procrustes`, `vecmap`, `muse` or `dema`.
            seeds: Known translations by id, (source id, target id); ids that both views share where there are none
                and the method needs some.
            options: Of the method by name, `normalisation="centre"`; `dictionary`, `vocabulary` and `csls_k` of all.
            seed: Of all that is drawn.
            model: The weights, for views of texts that name none.
            layers: Hidden states wanted; all where None.
            pooling: `mean` or `cls`.
            interventions: Edits of the hidden states.
            overflow: `refuse` or `truncate` texts of too many tokens.
            compute_dtype: Arithmetic of the model.
            max_tokens: Longest input in tokens; the model's own limit where None.
            progress: Called as the work goes on.
            timeout: Seconds for the whole call.

        Returns:
            The maps by layer; an array [n, d] has the one layer 0.

        Raises:
            InvalidRequest: `.field` names what is wrong.
            RpcError: The server answered with another error, or could not be reached for too long.
        """
        defaults = Defaults(model, layers, pooling, interventions, overflow, compute_dtype, max_tokens)
        work = MapWork(source, target, defaults, method=method, seeds=seeds, options=options or {}, seed=seed)
        found: dict[int, FittedMap] = self._run(self._stub.FitMap, work, progress, timeout)
        return found

"""Messages of a request for a map to its plan, checked field by field."""

from babelscope.v1 import metrics_pb2

from services.metrics.api.requests import read_view
from services.metrics.maps.plan import MapPlan
from services.metrics.maps.registry import make
from services.metrics.settings import MetricsSettings
from services.runtime.errors import InvalidArgument
from services.runtime.options import given


def read_fit_map(spec: metrics_pb2.FitMapSpec, settings: MetricsSettings) -> MapPlan:
    """The plan of a map.

    Args:
        spec: The message.
        settings: Limits.

    Raises:
        InvalidArgument: A field is wrong; names it and what is allowed.
        LimitExceeded: Too many layers.
    """
    source = read_view(spec.source, "spec.source", settings)
    target = read_view(spec.target, "spec.target", settings)
    if source.name == target.name:
        raise InvalidArgument(
            "spec.target.name", f"Expected another name than the source's, but got {target.name[:80]!r} as well"
        )
    method, options, common = make(spec.method, given(spec.options, "spec.options"))
    refused = method.refused_seeds(options) if spec.seeds else ""
    if refused:
        raise InvalidArgument("spec.seeds", refused)
    return MapPlan(
        views=(source, target),
        pairs=(),
        pairing="same",
        alignment="intersect",
        method=method,
        options=options,
        common=common,
        seed=spec.seed,
        seeds=tuple((pair.source_id, pair.target_id) for pair in spec.seeds),
    )

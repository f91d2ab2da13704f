"""Messages of a request to plans: what is asked for, checked field by field."""

import hashlib
from collections.abc import Sequence
from typing import Any, Final

from babelscope.v1 import encoder_pb2, metrics_pb2, model_pb2, tensor_pb2

from services.metrics.retrieval.plan import RetrievePlan
from services.metrics.rows.plans import Alignment, LayerPairing, ViewPlan
from services.metrics.rows.treatments import Preprocessing
from services.metrics.settings import MetricsSettings
from services.metrics.similarity import MEASURES, Options
from services.metrics.similarity.plan import ComparePlan
from services.metrics.similarity.registry import make
from services.runtime.errors import InvalidArgument, LimitExceeded
from services.runtime.options import given
from services.runtime.suggestions import unknown

SIMILARITIES: Final = ("cosine", "csls")
INDEXES: Final = ("exact", "ivf", "hnsw")
DEFAULT_RANKS: Final = (1, 5, 10)
DEFAULT_CSLS_K: Final = 10

_POOLINGS: Final[dict[int, str]] = {
    model_pb2.POOLING_UNSPECIFIED: "mean",
    model_pb2.POOLING_MEAN: "mean",
    model_pb2.POOLING_CLS: "cls",
    model_pb2.POOLING_TOKEN: "token",
    model_pb2.POOLING_WORD_FIRST: "word_first",
    model_pb2.POOLING_WORD_MEAN: "word_mean",
    model_pb2.POOLING_SPAN: "span",
}
_DTYPES: Final[dict[int, str]] = {
    tensor_pb2.DATA_TYPE_UNSPECIFIED: "f32",
    tensor_pb2.DATA_TYPE_F32: "f32",
    tensor_pb2.DATA_TYPE_BF16: "bf16",
    tensor_pb2.DATA_TYPE_I8: "i8",
}
_BACKENDS: Final[dict[int, str]] = {
    model_pb2.BACKEND_UNSPECIFIED: "",
    model_pb2.BACKEND_TORCH: "",
    model_pb2.BACKEND_ONNX: "onnx-",
}
"""What a signature says before the type of the arithmetic."""
_ALIGNMENTS: Final[dict[int, Alignment]] = {
    metrics_pb2.ALIGNMENT_UNSPECIFIED: "strict",
    metrics_pb2.ALIGNMENT_STRICT: "strict",
    metrics_pb2.ALIGNMENT_INTERSECT: "intersect",
}
_PAIRINGS: Final[dict[int, LayerPairing]] = {
    metrics_pb2.LAYER_PAIRING_UNSPECIFIED: "same",
    metrics_pb2.LAYER_PAIRING_SAME: "same",
    metrics_pb2.LAYER_PAIRING_ALL: "all",
}


def read_compare(spec: metrics_pb2.CompareSpec, settings: MetricsSettings) -> ComparePlan:
    """The plan of a comparison.

    Raises:
        InvalidArgument: A field is wrong; names it and what is allowed.
        LimitExceeded: Too many views, pairs or measures.
    """
    views = read_views(spec.views, settings)
    if not spec.measures:
        raise InvalidArgument("spec.measures", f"Expected at least one measure of {_names(MEASURES)}, but got none")
    _check_measures(spec.measures, settings)
    measures = tuple(_measure(measure, f"spec.measures[{index}]") for index, measure in enumerate(spec.measures))
    preprocessing = _preprocessing(spec.preprocessing, "spec.preprocessing")
    if spec.keep_state and preprocessing:
        _check_summable(measures, "spec.measures")
    return ComparePlan(
        views=views,
        pairs=_pairs(spec.pairs, views, settings),
        pairing=_option(_PAIRINGS, spec.layer_pairing, "spec.layer_pairing", "SAME, ALL"),
        alignment=_option(_ALIGNMENTS, spec.alignment, "spec.alignment", "STRICT, INTERSECT"),
        measures=tuple(dict.fromkeys(measures)),
        preprocessing=preprocessing,
        keep_state=spec.keep_state,
    )


def read_merge(
    request: metrics_pb2.MergeRequest, settings: MetricsSettings
) -> tuple[tuple[Options, ...], Preprocessing]:
    """The measures of a merge, and what is done to the rows first.

    Raises:
        InvalidArgument: A field is wrong; names it and what is allowed.
        LimitExceeded: Too many states or measures.
    """
    if not request.states:
        raise InvalidArgument("states", "Expected at least one name of a state, but got none")
    if len(request.states) > settings.max_states:
        raise LimitExceeded(
            "max_states", f"Expected at most {settings.max_states} states, but got {len(request.states)}"
        )
    seen: set[str] = set()
    for index, name in enumerate(request.states):
        if name in seen:
            raise InvalidArgument(f"states[{index}]", f"Expected each state once, but got {name[:100]} twice")
        seen.add(name)
    _check_measures(request.measures, settings)
    measures = tuple(
        dict.fromkeys(_measure(measure, f"measures[{index}]") for index, measure in enumerate(request.measures))
    )
    preprocessing = _preprocessing(request.preprocessing, "preprocessing")
    if preprocessing:
        _check_summable(measures, "measures")
    return measures, preprocessing


def _check_measures(measures: Sequence[metrics_pb2.Measure], settings: MetricsSettings) -> None:
    """Refuses more measures than the server takes."""
    if len(measures) > settings.max_measures:
        raise LimitExceeded(
            "max_measures", f"Expected at most {settings.max_measures} measures, but got {len(measures)}"
        )


def _preprocessing(message: metrics_pb2.Preprocessing, field: str) -> Preprocessing:
    drop = message.drop_top_variance
    if drop < 0:
        raise InvalidArgument(
            f"{field}.drop_top_variance", f"Expected a number of dimensions of at least 0, but got {drop}"
        )
    return Preprocessing(message.standardise, drop)


def _check_summable(measures: Sequence[Options], field: str) -> None:
    """Refuses measures of preprocessed rows that do not follow from sums."""
    for index, options in enumerate(measures):
        if MEASURES[options.name].needs_cosines:
            raise InvalidArgument(
                f"{field}[{index}]",
                f"Expected a measure that follows from sums where preprocessed rows are kept or merged, but got "
                f"{options.name}: the norm of a preprocessed row is known only after all shards are; compare the "
                "whole corpus in one request",
            )


def read_retrieve(spec: metrics_pb2.RetrieveSpec, settings: MetricsSettings) -> RetrievePlan:
    """The plan of a retrieval.

    Raises:
        InvalidArgument: A field is wrong; names it and what is allowed.
        LimitExceeded: Too many views or pairs.
    """
    views = read_views(spec.views, settings)
    for field, values in (("similarities", spec.similarities), ("ranks", spec.ranks)):
        if len(values) > settings.max_measures:
            raise LimitExceeded(
                "max_measures", f"Expected at most {settings.max_measures} {field}, but got {len(values)}"
            )
    for index, name in enumerate(spec.similarities):
        if name not in SIMILARITIES:
            raise unknown(f"spec.similarities[{index}]", "a similarity", name, SIMILARITIES)
    if spec.csls_k < 0:
        raise InvalidArgument("spec.csls_k", f"Expected a number of neighbours of at least 1, but got {spec.csls_k}")
    for index, k in enumerate(spec.ranks):
        if k < 1:
            raise InvalidArgument(f"spec.ranks[{index}]", f"Expected a rank of at least 1, but got {k}")
    if spec.index and spec.index not in INDEXES:
        raise unknown("spec.index", "a kind of index", spec.index, INDEXES)
    pairs = _pairs(spec.pairs, views, settings)
    if spec.gold and len(pairs) != 1:
        raise InvalidArgument(
            "spec.pairs", f"Expected one pair of views where right answers come as gold pairs, but got {len(pairs)}"
        )
    return RetrievePlan(
        views=views,
        pairs=pairs,
        pairing=_option(_PAIRINGS, spec.layer_pairing, "spec.layer_pairing", "SAME, ALL"),
        alignment=_option(_ALIGNMENTS, spec.alignment, "spec.alignment", "STRICT, INTERSECT"),
        similarities=tuple(dict.fromkeys(spec.similarities)) or SIMILARITIES,
        csls_k=spec.csls_k or DEFAULT_CSLS_K,
        ranks=tuple(dict.fromkeys(spec.ranks)) or DEFAULT_RANKS,
        centre=spec.centre,
        gold=spec.gold,
        index=spec.index or INDEXES[0],
    )


def read_views(views: Sequence[metrics_pb2.View], settings: MetricsSettings, *, least: int = 2) -> tuple[ViewPlan, ...]:
    """The plans of all views of a request.

    Args:
        views: The messages.
        settings: Limits.
        least: Views that there must be.

    Raises:
        InvalidArgument: A field is wrong, or a name comes twice.
        LimitExceeded: Too many views or layers.
    """
    if len(views) < least:
        raise InvalidArgument("spec.views", f"Expected at least {least} view{'s' * (least > 1)}, but got {len(views)}")
    if len(views) > settings.max_views:
        raise LimitExceeded("max_views", f"Expected at most {settings.max_views} views, but got {len(views)}")
    plans: list[ViewPlan] = []
    seen: set[str] = set()
    for index, view in enumerate(views):
        field = f"spec.views[{index}]"
        if view.name in seen:
            raise InvalidArgument(f"{field}.name", f"Expected unique names of views, but got {view.name!r} twice")
        seen.add(view.name)
        plans.append(read_view(view, field, settings))
    return tuple(plans)


def read_view(view: metrics_pb2.View, field: str, settings: MetricsSettings) -> ViewPlan:
    """The plan of one view.

    Args:
        view: The message.
        field: Its path in the request.
        settings: Limits.

    Raises:
        InvalidArgument: A field is wrong; names it and what is allowed.
        LimitExceeded: Too many layers.
    """
    if not view.name:
        raise InvalidArgument(f"{field}.name", "Expected a name, but got none")
    layers = view.encode.layers if view.HasField("encode") else view.layers
    if len(layers) > settings.max_layers:
        raise LimitExceeded("max_layers", f"Expected at most {settings.max_layers} layers, but got {len(layers)}")
    return _encoded(view, field) if view.HasField("encode") else _pushed(view, field)


def _encoded(view: metrics_pb2.View, field: str) -> ViewPlan:
    spec = view.encode
    if not spec.model.name:
        raise InvalidArgument(f"{field}.encode.model.name", "Expected the name of a model, but got none")
    if len(set(spec.layers)) != len(spec.layers):
        raise InvalidArgument(
            f"{field}.encode.layers", f"Expected each layer once, but got {', '.join(map(str, spec.layers))}"
        )
    return ViewPlan(
        name=view.name,
        layers=tuple(spec.layers),
        encoded=True,
        pooling=_option(
            _POOLINGS, spec.pooling, f"{field}.encode.pooling", "MEAN, CLS, TOKEN, WORD_FIRST, WORD_MEAN, SPAN"
        ),
        dtype=_option(_BACKENDS, spec.backend, f"{field}.encode.backend", "TORCH, ONNX")
        + _option(_DTYPES, spec.compute_dtype, f"{field}.encode.compute_dtype", "F32, BF16, I8"),
        edits=_edits(spec),
    )


def _edits(spec: encoder_pb2.EncodeSpec) -> str:
    """The layers of all edits in order, and the first digits of a SHA-256 over all that they are."""
    if not spec.interventions:
        return ""
    edits = encoder_pb2.EncodeSpec(interventions=spec.interventions).SerializeToString(deterministic=True)
    layers = "+".join(dict.fromkeys(str(edit.layer) for edit in spec.interventions))
    return f"{layers}@{hashlib.sha256(edits).hexdigest()[:12]}"


def _pushed(view: metrics_pb2.View, field: str) -> ViewPlan:
    layers = tuple(view.layers)
    if not layers:
        raise InvalidArgument(
            f"{field}.layers", f"Expected the layers of pushed view {view.name!r}, or `encode`, but got neither"
        )
    if len(set(layers)) != len(layers) or min(layers) < 0:
        raise InvalidArgument(
            f"{field}.layers", f"Expected each layer once, from 0, but got {', '.join(map(str, layers))}"
        )
    return ViewPlan(view.name, layers, encoded=False, pooling="pushed")


def _pairs(
    pairs: Sequence[metrics_pb2.ViewPair], views: Sequence[ViewPlan], settings: MetricsSettings
) -> tuple[tuple[int, int], ...]:
    count = len(pairs) or len(views) * (len(views) - 1) // 2
    if count > settings.max_pairs:
        raise LimitExceeded("max_pairs", f"Expected at most {settings.max_pairs} pairs of views, but got {count}")
    if not pairs:
        return tuple((i, j) for i in range(len(views)) for j in range(i + 1, len(views)))
    numbers = {view.name: index for index, view in enumerate(views)}
    found = []
    for index, pair in enumerate(pairs):
        for side, name in (("left", pair.left), ("right", pair.right)):
            if name not in numbers:
                raise unknown(f"spec.pairs[{index}].{side}", "a view", name, tuple(numbers))
        found.append((numbers[pair.left], numbers[pair.right]))
    return tuple(dict.fromkeys(found))


def _measure(measure: metrics_pb2.Measure, field: str) -> Options:
    return make(measure.name, measure.estimator, given(measure.options, f"{field}.options"), field)


def _option(options: dict[int, Any], value: int, field: str, allowed: str) -> Any:
    try:
        return options[value]
    except KeyError:
        raise InvalidArgument(field, f"Expected one of {allowed}, but got the value {value}") from None


def _names(names: Sequence[str] | dict[str, Any]) -> str:
    names = list(names)
    return ", ".join(names[:20]) + (", ..." if len(names) > 20 else "")

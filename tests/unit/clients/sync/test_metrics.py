"""Both metrics clients over a real transport, against a server that measures nothing."""

import asyncio
from collections.abc import Callable
from typing import Any

import grpc
import numpy as np
import pytest
from babelscope.aio import AsyncMetricsClient
from babelscope.calls.measures import Measure
from babelscope.calls.views import View
from babelscope.data.activations import Progress
from babelscope.data.comparison import COLUMNS, Comparison, Estimate
from babelscope.data.models import Model
from babelscope.data.texts import Text
from babelscope.errors import DataCorrupted, InvalidRequest, Unavailable
from babelscope.sync.encoder import EncoderClient
from babelscope.sync.metrics import MetricsClient
from babelscope.transport.channel import ClientConfig
from babelscope.v1 import metrics_pb2 as pb

from tests.support.fake_encoder import FakeEncoder
from tests.support.fake_metrics import FakeMetrics

Serve = Callable[[Any], ClientConfig]
Twin = Callable[..., Any]
TEXTS = {"en": ["a", "b", "c"], "fr": ["d", "e", "f"]}


def _sync(config: ClientConfig, name: str, *args: Any, **options: Any) -> Any:
    client = MetricsClient(config)
    try:
        return getattr(client, name)(*args, **options)
    finally:
        client.close()


def _async(config: ClientConfig, name: str, *args: Any, **options: Any) -> Any:
    async def run() -> Any:
        client = AsyncMetricsClient(config)
        try:
            return await getattr(client, name)(*args, **options)
        finally:
            await client.close()

    return asyncio.run(run())


@pytest.fixture(params=[_sync, _async], ids=["sync", "aio"])
def call(request: pytest.FixtureRequest) -> Twin:
    """Calls a method of one of the twins."""
    twin: Twin = request.param
    return twin


def test_estimates_come_whole(call: Twin, serve: Serve) -> None:
    found: Comparison = call(serve(FakeMetrics()), "compare", TEXTS, model="m", layers=[0, 3])
    assert found.estimates[1] == Estimate(
        metric="cka",
        estimator="debiased",
        left="en",
        right="fr",
        left_layer=3,
        right_layer=3,
        value=0.3,
        low=0.1,
        high=0.9,
        n=3,
        null_mean=0,
        null_sd=0,
        p=0,
        q=0,
        left_kept=0,
        right_kept=0,
        signature="cka|fake",
        warnings=("few rows",),
    )
    assert found.value("cka", "en", "fr", 3) == 0.3
    assert (found.views[0].rows, found.views[0].model_digest) == (3, "digest")
    assert (found.pairs[0].n, found.pairs[0].left_only, found.pairs[0].examples) == (3, 1, ("s9",))


def test_an_estimate_has_the_fields_of_the_contract() -> None:
    assert [field.name for field in pb.Estimate.DESCRIPTOR.fields] == list(Estimate.__dataclass_fields__)


def test_the_table_has_the_columns_of_results_csv(call: Twin, serve: Serve) -> None:
    views = {
        "en": View(texts=TEXTS["en"], language="en"),
        "fr-new": View(texts=TEXTS["fr"], language="fr", model=Model("m").reinit_layers((1, 2), 7), pooling="cls"),
    }
    found: Comparison = call(serve(FakeMetrics()), "compare", views, model="m", layers=[3])
    assert found.table() == [
        {
            "kind": "similarity",
            "metric": "cka",
            "estimator": "debiased",
            "model": "m",
            "reinit": "|1-2@7",
            "pooling": "mean|cls",
            "source": "en",
            "target": "fr",
            "layer": 3,
            "value": 0.3,
            "low": 0.1,
            "high": 0.9,
            "n": 3,
            "signature": "cka|fake",
        }
    ]
    assert tuple(found.table()[0]) == COLUMNS


def test_options_travel(call: Twin, serve: Serve) -> None:
    server = FakeMetrics()
    call(
        serve(server),
        "compare",
        {"en": [Text("s1", "a", "en")], "fr": View(texts=["b"], layers=(1,), overflow="refuse", interventions=())},
        ["cka:biased", Measure("svcca", variance=0.9)],
        [("fr", "en")],
        model=Model("m", "main"),
        layers=[0, 2],
        pooling="cls",
        overflow="truncate",
        alignment="intersect",
        layer_pairing="all",
        standardise=True,
        drop_top_variance=2,
        compute_dtype="bfloat16",
        max_tokens=64,
    )
    spec: pb.CompareSpec = server.specs[0]
    english, french = spec.views
    assert (english.name, english.language, english.encode.model.revision) == ("en", "en", "main")
    assert (list(english.encode.layers), list(french.encode.layers)) == ([0, 2], [1])
    assert (english.encode.pooling, english.encode.overflow, french.encode.overflow) == (2, 2, 1)
    assert (english.encode.compute_dtype, english.encode.max_tokens) == (3, 64)
    assert [(measure.name, measure.estimator, dict(measure.options)) for measure in spec.measures] == [
        ("cka", "biased", {}),
        ("svcca", "", {"variance": "0.9"}),
    ]
    assert [(pair.left, pair.right) for pair in spec.pairs] == [("fr", "en")]
    assert (spec.alignment, spec.layer_pairing) == (pb.ALIGNMENT_INTERSECT, pb.LAYER_PAIRING_ALL)
    assert (spec.preprocessing.standardise, spec.preprocessing.drop_top_variance) == (True, 2)


def test_retrieval_travels(call: Twin, serve: Serve) -> None:
    server = FakeMetrics()
    options = {"ranks": [1, 3], "csls_k": 5, "centre": True}
    found: Comparison = call(serve(server), "retrieve", TEXTS, ["csls"], model="m", layers=[1], **options)
    spec: pb.RetrieveSpec = server.specs[0]
    assert (list(spec.similarities), list(spec.ranks), spec.csls_k, spec.centre) == (["csls"], [1, 3], 5, True)
    assert found.kind == found.table()[0]["kind"] == "retrieval"


def test_views_take_turns(call: Twin, serve: Serve) -> None:
    server = FakeMetrics()
    views = {name: [f"{name} {i}" for i in range(600)] for name in ("en", "fr")}
    seen: list[Progress] = []
    call(serve(server), "compare", views, model="m", progress=seen.append)
    assert server.order == ["en", "fr", "en", "fr", "en", "fr"]
    assert seen[-1] == Progress("encode", 600, 0, "fr")


def test_activations_travel_in_bounded_messages(call: Twin, serve: Serve) -> None:
    server = FakeMetrics()
    array = np.random.default_rng(0).standard_normal((700, 2, 512)).astype(np.float32)
    views = {"a": View(activations=array, layers=(4, 5), language="en"), "b": View(activations=array[:, 0])}
    found: Comparison = call(serve(server), "compare", views)
    assert server.order.count("a") == 3
    assert list(server.specs[0].views[0].layers) == [4, 5]
    assert found.value("cka", "a", "b", 4) == pytest.approx(float(array.sum(dtype=float)), rel=1e-9)
    assert found.views[0].rows == 700


def test_what_the_encoder_answered_can_be_compared(serve: Serve) -> None:
    encoder = EncoderClient(serve(FakeEncoder()))
    states = encoder.encode(["x", "y"], model="m", layers=[0, 2])
    encoder.close()
    server = FakeMetrics()
    found = _sync(serve(server), "compare", {"a": states, "b": states})
    assert list(server.specs[0].views[0].layers) == [0, 2]
    assert found.table()[0]["model"] == "m"


def test_a_broken_call_is_made_again_from_the_start(call: Twin, serve: Serve) -> None:
    server = FakeMetrics(breaks=[0, 2, 5])
    views = {name: [f"{name} {i}" for i in range(600)] for name in ("en", "fr")}
    found: Comparison = call(serve(server), "compare", views, model="m", layers=[0])
    assert len(server.specs) == 4
    assert len(found.estimates) == 1
    assert found.views[0].rows == 600


def test_a_call_that_never_gets_through_is_given_up(call: Twin, serve: Serve) -> None:
    server = FakeMetrics(breaks=[1] * 50)
    with pytest.raises(Unavailable, match="told to break"):
        call(serve(server), "compare", TEXTS, model="m")
    assert len(server.specs) == 5


@pytest.mark.parametrize("attempt", range(5))
def test_an_error_amid_rows_keeps_its_status(call: Twin, serve: Serve, attempt: int) -> None:
    server = FakeMetrics(breaks=[5 + attempt], code=grpc.StatusCode.INVALID_ARGUMENT)
    array = np.zeros((4000, 1, 512), np.float32)
    with pytest.raises(InvalidRequest, match="told to break"):
        call(serve(server), "compare", {"a": array, "b": array})


def test_an_answer_without_its_report_is_an_error(call: Twin, serve: Serve) -> None:
    with pytest.raises(DataCorrupted, match="Expected a report"):
        call(serve(FakeMetrics(report=False)), "compare", TEXTS, model="m")


def test_text_that_is_no_unicode_is_refused(call: Twin, serve: Serve) -> None:
    with pytest.raises(ValueError, match="Expected Unicode text under id '1'"):
        call(serve(FakeMetrics()), "compare", {"en": ["a", "\udc80"], "fr": ["b", "c"]}, model="m")


@pytest.mark.parametrize(
    ("views", "options", "problem"),
    [
        ({"a": View()}, {}, "Expected view 'a' to have either `texts` or `activations`"),
        ({"a": View(texts=["x"], activations=np.zeros((1, 2)))}, {}, "either `texts` or `activations`"),
        ({"a": ["x"]}, {}, "Expected a `model` for view 'a'"),
        ({"a": View(activations=np.zeros((2, 3)), ids=["x"])}, {}, "Expected 2 ids and 1 layers for view 'a'"),
        ({"a": np.zeros(3)}, {}, r"as \[n, K, d\], but got \[3\]"),
        ({"a": ["x"]}, {"model": "m", "pairs": [("a", "z")]}, "Expected `pairs` to name views of a, but got 'z'"),
        ({"a": ["x"]}, {"model": "m", "alignment": "loose"}, "Expected `alignment` to be one of 'strict', 'intersect'"),
        ({"a": ["x"]}, {"model": "m", "layer_pairing": "no"}, "Expected `layer_pairing` to be one of 'same', 'all'"),
    ],
)
def test_views_that_cannot_be_sent_are_refused(
    call: Twin, views: dict[str, Any], options: dict[str, Any], problem: str
) -> None:
    with pytest.raises(ValueError, match=problem):
        call(ClientConfig("127.0.0.1:1"), "compare", views, **options)


def test_one_text_is_not_a_list_of_texts(call: Twin) -> None:
    with pytest.raises(TypeError, match="single text 'hello'"):
        call(ClientConfig("127.0.0.1:1"), "compare", {"a": "hello"}, model="m")


def _estimate(estimator: str, layers: tuple[int, int]) -> Estimate:
    values: dict[str, Any] = dict.fromkeys(Estimate.__dataclass_fields__, 0)
    left, right = layers
    return Estimate(
        **{
            **values,
            "metric": "cka",
            "estimator": estimator,
            "left": "a",
            "right": "b",
            "left_layer": left,
            "right_layer": right,
            "warnings": (),
        }
    )


def test_a_value_is_found_or_the_question_is_too_wide() -> None:
    found = Comparison((_estimate("biased", (1, 1)), _estimate("debiased", (1, 1)), _estimate("biased", (1, 2))))
    assert found.value("cka", "a", "b", (1, 2)) == 0
    assert found.find("cka", "a", "b", 1, estimator="debiased").estimator == "debiased"
    with pytest.raises(LookupError, match="the estimators biased, debiased: name one"):
        found.value("cka", "a", "b", 1)
    with pytest.raises(LookupError, match="there is none among 3"):
        found.value("cka", "b", "a", 1)
    assert found.table()[2]["layer"] == "1|2"

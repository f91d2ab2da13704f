"""Every mistake has its status, names its field, and leaves nothing behind."""

import asyncio
from collections.abc import Callable, Iterable
from typing import Any

import grpc
import numpy as np
import pytest
from babelscope.data.tensors import to_proto
from babelscope.v1 import encoder_pb2, metrics_pb2, metrics_pb2_grpc, model_pb2, tensor_pb2, text_pb2

from tests.support.encoder_calls import sentences
from tests.support.refusals import Failure, refusal

CODES = grpc.StatusCode
RNG = np.random.default_rng(0)


def view(name: str, layers: Iterable[int] = (0,), **fields: Any) -> metrics_pb2.View:
    return metrics_pb2.View(name=name, layers=layers, **fields)


def text_view(name: str, model: str = "tiny", **fields: Any) -> metrics_pb2.View:
    return metrics_pb2.View(name=name, encode=encoder_pb2.EncodeSpec(model=model_pb2.ModelRef(name=model), **fields))


def compare(*views: metrics_pb2.View, measure: str = "cka", **fields: Any) -> metrics_pb2.CompareRequest:
    measures = [metrics_pb2.Measure(name=measure)] if isinstance(measure, str) else measure
    fields.setdefault("measures", measures)
    return metrics_pb2.CompareRequest(spec=metrics_pb2.CompareSpec(views=views, **fields))


def rows(name: str, array: Any, ids: Iterable[str] | None = None) -> metrics_pb2.CompareRequest:
    array = np.asarray(array)
    ids = [f"s{i}" for i in range(len(array))] if ids is None else ids
    tensor = array if isinstance(array, tensor_pb2.Tensor) else to_proto(array)
    return metrics_pb2.CompareRequest(activations=metrics_pb2.ViewActivations(view=name, ids=ids, tensor=tensor))


def texts(name: str, *strings: str, ids: Iterable[str] | None = None) -> metrics_pb2.CompareRequest:
    ids = [f"s{i}" for i in range(len(strings))] if ids is None else ids
    items = [text_pb2.Text(id=one, text=text) for one, text in zip(ids, strings, strict=True)]
    return metrics_pb2.CompareRequest(texts=metrics_pb2.ViewTexts(view=name, texts=items))


def block(n: int = 20, d: int = 5, layers: int = 1) -> Any:
    return RNG.standard_normal((n, layers, d))


async def failure(one: Any, *messages: metrics_pb2.CompareRequest) -> Failure:
    return await refusal(one.client.address, metrics_pb2_grpc.MetricsServiceStub, "Compare", *messages)


async def no_retrieval(one: Any, *messages: metrics_pb2.RetrieveRequest) -> Failure:
    return await refusal(one.client.address, metrics_pb2_grpc.MetricsServiceStub, "Retrieve", *messages)


TWO = (view("x"), view("y"))
WRONG_SPECS = {
    "one view": (compare(view("x")), "spec.views", "at least 2"),
    "no measures": (compare(*TWO, measures=[]), "spec.measures", "cka, rbf, svcca"),
    "unknown measure": (compare(*TWO, measure="ckaa"), "spec.measures[0].name", "did you mean 'cka'"),
    "unknown estimator": (
        compare(*TWO, measures=[metrics_pb2.Measure(name="cka", estimator="unbiased")]),
        "spec.measures[0].estimator",
        "debiased, biased",
    ),
    "variance of cka": (
        compare(*TWO, measures=[metrics_pb2.Measure(name="cka", options={"variance": "0.9"})]),
        "spec.measures[0].options[variance]",
        "no options of cka",
    ),
    "variance above 1": (
        compare(*TWO, measures=[metrics_pb2.Measure(name="svcca", options={"variance": "1.5"})]),
        "spec.measures[0].options[variance]",
        "within 0.001..1",
    ),
    "same name twice": (compare(view("x"), view("x")), "spec.views[1].name", "unique"),
    "no name": (compare(view(""), view("x")), "spec.views[0].name", "a name"),
    "no layers": (compare(view("x", ()), view("y")), "spec.views[0].layers", "neither"),
    "layer twice": (compare(view("x", (1, 1)), view("y")), "spec.views[0].layers", "once"),
    "unknown pair": (
        compare(*TWO, pairs=[metrics_pb2.ViewPair(left="x", right="z")]),
        "spec.pairs[0].right",
        "a view of x, y",
    ),
    "unknown alignment": (compare(*TWO, alignment=9), "spec.alignment", "STRICT, INTERSECT"),
    "unknown pairing": (compare(*TWO, layer_pairing=9), "spec.layer_pairing", "SAME, ALL"),
    "unknown pooling": (
        compare(text_view("x", pooling=77), view("y")),
        "spec.views[0].encode.pooling",
        "MEAN, CLS, TOKEN, WORD_FIRST, WORD_MEAN, SPAN",
    ),
    "no model": (compare(text_view("x", model=""), view("y")), "spec.views[0].encode.model.name", "a model"),
    "negative drop": (
        compare(*TWO, preprocessing=metrics_pb2.Preprocessing(drop_top_variance=-1)),
        "spec.preprocessing.drop_top_variance",
        "at least 0",
    ),
}


@pytest.mark.parametrize("case", WRONG_SPECS)
async def test_a_wrong_specification(serve: Callable[..., Any], case: str) -> None:
    one = await serve()
    message, field, problem = WRONG_SPECS[case]
    found = await failure(one, message)
    assert found.code is CODES.INVALID_ARGUMENT
    assert problem in found.fields[field]


GOOD = compare(view("x", (0, 3)), view("y", (0, 3)))
PAIR = block(layers=2)
NAN = PAIR.copy()
NAN[7, 1, 2] = np.nan
HUGE = PAIR.copy()
HUGE[3, 0, 0] = np.inf
SHORT = tensor_pb2.Tensor(dtype=tensor_pb2.DATA_TYPE_F32, shape=[20, 2, 5], data=b"\0" * 799)


def pushed(tensor: tensor_pb2.Tensor, ids: int = 20) -> metrics_pb2.CompareRequest:
    return metrics_pb2.CompareRequest(
        activations=metrics_pb2.ViewActivations(view="x", ids=[f"s{i}" for i in range(ids)], tensor=tensor)
    )


WRONG_ROWS: dict[str, tuple[list[metrics_pb2.CompareRequest], str, str]] = {
    "no first message": ([], "spec", "ended without any"),
    "rows first": ([rows("x", PAIR)], "spec", "first message"),
    "spec twice": ([GOOD, GOOD], "spec", "after the first"),
    "empty message": ([GOOD, metrics_pb2.CompareRequest()], "message", "empty message"),
    "unknown view": ([GOOD, rows("z", PAIR)], "activations.view", "x, y"),
    "texts without encode": ([GOOD, texts("x", "a")], "texts.view", "`activations`"),
    "rows of a text view": ([compare(text_view("x"), view("y")), rows("x", PAIR)], "activations.view", "`texts`"),
    "no rows": ([GOOD, rows("x", PAIR)], "spec.views[1]", "view 'y'"),
    "an empty corpus": ([compare(text_view("x"), text_view("y"))], "spec.views[0]", "view 'x'"),
    "an empty text": ([compare(text_view("x"), view("y")), texts("x", "the", " ")], "texts.texts[1].text", "'s1'"),
    "no id": ([compare(text_view("x"), view("y")), texts("x", "the", ids=[""])], "texts.texts[0].id", "an id"),
    "an empty text in a later message": (
        [
            compare(text_view("x"), text_view("y")),
            texts("x", *"ab"),
            texts("y", "a"),
            texts("x", "c", " ", ids=["c", "d"]),
        ],
        "texts.texts[3].text",
        "'d'",
    ),
    "no id in a later message": (
        [compare(text_view("x"), view("y")), texts("x", *"abc"), texts("x", "d", ids=[""])],
        "texts.texts[3].id",
        "an id",
    ),
    "no id of a row in a later message": (
        [GOOD, rows("x", PAIR), rows("y", PAIR), rows("x", PAIR[:2], ids=["a", ""])],
        "activations.ids[21]",
        "an id",
    ),
    "a text's id again, 300 texts later": (
        [
            compare(text_view("x"), view("y")),
            *[texts("x", "a", ids=[f"t{number}"]) for number in range(300)],
            texts("x", "a", "b", ids=["u", "t7"]),
            rows("y", block()),
        ],
        "texts.texts[301].id",
        "1 occur more than once: 't7'",
    ),
    "a row's id again in a later message": (
        [GOOD, rows("x", PAIR), rows("x", PAIR[:2], ids=["a", "s3"]), rows("y", PAIR)],
        "activations.ids",
        "'s3' twice",
    ),
    "an id twice": (
        [GOOD, rows("x", PAIR, ids=["a", "b"] * 10), rows("y", PAIR)], "activations.ids", "'a' twice",
    ),
    "NaN": ([GOOD, rows("x", NAN)], "activations.tensor", "nan in view 'x' at id 's7', layer 3, dimension 2"),
    "infinity": ([GOOD, rows("x", HUGE)], "activations.tensor", "inf in view 'x' at id 's3', layer 0"),
    "integers": ([GOOD, rows("x", np.zeros((20, 2, 5), np.int64))], "activations.tensor.dtype", "F32, F64, BF16"),
    "too few bytes": ([GOOD, pushed(SHORT)], "activations.tensor", "800 bytes for F32 [20, 2, 5], but got 799"),
    "another number of ids": ([GOOD, pushed(to_proto(PAIR), 19)], "activations.tensor.shape", "[19, 2, d]"),
    "another number of layers": ([GOOD, rows("x", block(layers=3))], "activations.tensor.shape", "[20, 2, d]"),
    "another width": (
        [GOOD, rows("x", PAIR), rows("x", block(d=6, layers=2), ids=[f"t{i}" for i in range(20)])],
        "activations.tensor",
        "d=5 as in the first rows",
    ),
    "other ids": (
        [GOOD, rows("x", PAIR), rows("y", PAIR[:18])],
        "spec.alignment",
        "'y' lacks 2 of them: 's18', 's19'",
    ),
    "no ids in common": (
        [
            compare(*TWO, alignment=metrics_pb2.ALIGNMENT_INTERSECT),
            rows("x", block()),
            rows("y", block(), ids=[f"t{i}" for i in range(20)]),
        ],
        "spec.alignment",
        "in common",
    ),
    "other layers": (
        [compare(view("x", (0, 1)), view("y", (0, 2))), rows("x", PAIR), rows("y", PAIR)],
        "spec.views.layers",
        "0, 1 and 0, 2",
    ),
    "too few rows": ([compare(*TWO), rows("x", block(3)), rows("y", block(3))], "spec.measures", "at least 4 rows"),
    "constant rows": (
        [compare(*TWO), rows("x", np.ones((20, 1, 5))), rows("y", block())],
        "spec.measures",
        "the left rows are all equal (n=20, d=5)",
    ),
    "constant rows of a decomposition": (
        [compare(*TWO, measure="svcca"), rows("x", block()), rows("y", np.ones((20, 1, 5)))],
        "spec.measures",
        "the right rows are all equal (n=20, d=5): leave that layer out; with CLS pooling layer 0 is the same vector "
        "for every text, with mean pooling it is not; svcca (mean) of views 'x' and 'y' at layers 0 and 0",
    ),
    "a row of zeros": (
        [compare(*TWO, measure="cosine"), rows("x", np.zeros((20, 1, 5))), rows("y", block())],
        "spec.measures",
        "row 0 of 20 is zero",
    ),
    "unequal widths": (
        [compare(*TWO, measure="cosine"), rows("x", block(d=4)), rows("y", block(d=5))],
        "spec.measures",
        "p=4 and q=5",
    ),
    "all dimensions dropped": (
        [
            compare(*TWO, preprocessing=metrics_pb2.Preprocessing(drop_top_variance=5)),
            rows("x", block()),
            rows("y", block()),
        ],
        "spec.preprocessing",
        "drop_top_variance=5",
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", WRONG_ROWS)
async def test_wrong_rows(serve: Callable[..., Any], case: str) -> None:
    one = await serve()
    messages, field, problem = WRONG_ROWS[case]
    found = await failure(one, *messages)
    assert (found.code, list(found.fields)) == (CODES.INVALID_ARGUMENT, [field])
    assert problem in found.fields[field]


@pytest.mark.parametrize(
    ("settings", "messages", "limit"),
    [
        ({"max_views": 2}, [compare(*TWO, view("z"))], "max_views"),
        ({"max_pairs": 2}, [compare(*TWO, view("z"))], "max_pairs"),
        ({"max_layers": 1}, [GOOD], "max_layers"),
        ({"max_rows": 10}, [GOOD, rows("x", PAIR)], "max_rows"),
        ({"max_dimensions": 4}, [GOOD, rows("x", PAIR)], "max_dimensions"),
        ({"max_texts": 1}, [compare(text_view("x"), view("y")), texts("x", "a", "b")], "max_texts"),
        ({"max_text_bytes": 1024}, [compare(text_view("x"), view("y")), texts("x", "a" * 1000)], "max_text_bytes"),
        ({"max_message_bytes": 64 << 10}, [GOOD, rows("x", np.zeros((20, 2, 250)))], "max_message_bytes"),
        (
            {"scratch_bytes": 1 << 20},
            [compare(*TWO, view("z")), *[rows("x", np.zeros((20, 1, 5000)))] * 2],
            "scratch_bytes",
        ),
    ],
)
async def test_too_much(serve: Callable[..., Any], settings: dict[str, int], messages: list[Any], limit: str) -> None:
    one = await serve(**settings)
    found = await failure(one, *messages)
    assert (found.code, found.quota) == (CODES.RESOURCE_EXHAUSTED, limit)


async def test_csls_needs_its_neighbours(serve: Callable[..., Any]) -> None:
    one = await serve()
    spec = metrics_pb2.RetrieveSpec(views=TWO, similarities=["csls"])
    body = [metrics_pb2.RetrieveRequest(activations=rows(name, block(9)).activations) for name in ("x", "y")]
    found = await no_retrieval(one, metrics_pb2.RetrieveRequest(spec=spec), *body)
    assert "at least csls_k=10 rows for CSLS, but got n=9" in found.fields["spec.similarities"]


@pytest.mark.parametrize(
    ("spec", "field"),
    [
        (metrics_pb2.RetrieveSpec(views=TWO, similarities=["dot"]), "spec.similarities[0]"),
        (metrics_pb2.RetrieveSpec(views=TWO, csls_k=-1), "spec.csls_k"),
        (metrics_pb2.RetrieveSpec(views=TWO, ranks=[1, 0]), "spec.ranks[1]"),
    ],
)
async def test_a_wrong_retrieval(serve: Callable[..., Any], spec: metrics_pb2.RetrieveSpec, field: str) -> None:
    one = await serve()
    assert list((await no_retrieval(one, metrics_pb2.RetrieveRequest(spec=spec))).fields) == [field]


async def test_an_encoder_that_cannot_be_reached(serve: Callable[..., Any]) -> None:
    one = await serve("127.0.0.1:1")
    found = await failure(one, compare(text_view("x"), view("y")), texts("x", "the cat"), rows("y", block(1)))
    assert found.code is CODES.UNAVAILABLE


@pytest.mark.parametrize(
    ("wrong", "strings", "field"),
    [
        (text_view("x", layers=[9]), ["the cat"], "spec.views[0].encode.layers[0]"),
        (text_view("x", max_tokens=4), ["the old red cat sees"], "texts.texts[0].text"),
        (text_view("x", model="../tiny"), ["the cat"], "spec.views[0].encode.model.name"),
    ],
)
async def test_what_the_encoder_refuses_is_told_with_its_view(
    serve: Callable[..., Any], encoder: str, wrong: metrics_pb2.View, strings: list[str], field: str
) -> None:
    one = await serve(encoder)
    found = await failure(one, compare(wrong, view("y")), texts("x", *strings), rows("y", block(1)))
    assert found.code is CODES.INVALID_ARGUMENT
    assert "view 'x'" in found.fields[field]


async def test_an_unknown_model_is_not_found(serve: Callable[..., Any], encoder: str) -> None:
    one = await serve(encoder)
    wrong = compare(text_view("x", model="tinny"), view("y"))
    found = await failure(one, wrong, texts("x", "the cat"), rows("y", block(1)))
    assert (found.code, found.resource) == (CODES.NOT_FOUND, "tinny")


async def test_a_client_that_vanishes_leaves_nothing(serve: Callable[..., Any], encoder: str) -> None:
    one = await serve(encoder)
    call = one.stub.Compare()
    await call.write(compare(view("x"), text_view("y")))
    await call.write(rows("x", block(300)))
    await call.write(texts("y", *sentences(300)))
    await call.done_writing()
    await call.read()
    call.cancel()
    await one.idle()


async def test_a_deadline_that_passes(serve: Callable[..., Any], monkeypatch: pytest.MonkeyPatch) -> None:
    one = await serve()
    began = asyncio.Event()
    loop = asyncio.get_running_loop()
    stopped = asyncio.Event()

    def endless(plan: Any, tables: Any, *, budget: int, check: Callable[[], None], keep: Any) -> Any:
        loop.call_soon_threadsafe(began.set)
        try:
            while True:
                check()
        finally:
            loop.call_soon_threadsafe(stopped.set)
        yield

    monkeypatch.setattr("services.metrics.api.flow.compare", endless)
    messages = [compare(*TWO, view("z")), *[rows(name, block()) for name in ("x", "y", "z")]]
    seconds = 0.5
    while not began.is_set():  # on a loaded machine the first deadlines may pass before the work begins
        seconds *= 2
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            async for _ in one.stub.Compare(iter(messages), timeout=seconds):
                pass
        assert caught.value.code() is CODES.DEADLINE_EXCEEDED
    await asyncio.wait_for(stopped.wait(), 200)

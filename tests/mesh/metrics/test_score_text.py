"""ScoreText through a real server, by both clients."""

import asyncio
from collections.abc import Callable
from contextlib import closing
from typing import Any

import pytest
from babelscope import Answer, Example, Question, Sentence, TextPair, Word
from babelscope.errors import InvalidRequest, LimitExceeded
from babelscope.sync.metrics import MetricsClient
from babelscope.v1 import metrics_pb2, metrics_pb2_grpc

from tests.support.refusals import refusal


def question(number: int, answer: str) -> Example:
    return Example(f"q{number}", Question("context", "what?", (Answer(answer, 0),)), "zh")


def words(number: int, *tags: str) -> Example:
    return Example(f"s{number}", Sentence(tuple(Word("w", ner=tag, upos="X") for tag in tags), ""))


QA = [("天氣好", question(0, "天氣很好")), ("", question(1, "好")), ("好。", question(2, "好"))]


async def test_answers_are_scored_by_the_normaliser_of_their_language(serve: Callable[..., Any]) -> None:
    one = await serve()
    told: list[Any] = []
    found = await one.client.score("qa", QA, language="zh", progress=told.append)
    assert found.value("em", "char") == pytest.approx(100 / 3)
    assert found.value("f1") == pytest.approx(100 * (6 / 7 + 1) / 3)
    assert "norm:char|lang:zh" in found.find("f1").signature
    assert found.find("f1").warnings == ("1 of 3 questions have no predicted answer and count 0",)
    assert [progress.done for progress in told] == [3]
    squad = await one.client.score("qa", QA, language="zh", options={"normaliser": "squad", "resamples": 10})
    assert squad.value("f1") == pytest.approx(0)
    assert squad.table()[1]["language"] == "zh"


async def test_every_score_answers_and_the_synchronous_client_says_the_same(serve: Callable[..., Any]) -> None:
    one = await serve()
    tree = Example("t", Sentence((Word("w", "X", 0, "root"), Word("w", "PUNCT", 1, "punct")), ""))
    calls: list[tuple[str, list[Any], str, float]] = [
        ("bleu1", [("a b", Example("1", "a b c d"))], "bleu1", 36.787944117144235),
        ("convert_rate", [("le the", Example("1", "le chat", attributes={"source": "the cat"}))], "convert_rate", 0.5),
        ("span_f1", [(words(0, "I-X", "I-Y"), words(0, "B-Y", "I-Y"))], "f1", 100.0),
        ("tagging", [(words(0, "O"), words(0, "O", "O"))], "accuracy", 50.0),
        ("nli", [("e", Example("1", TextPair("p", "h", "e"))), ("e", Example("2", TextPair("p", "h", "n")))],
         "accuracy", 50.0),
    ]  # fmt: skip
    with closing(MetricsClient(one.client.address)) as client:
        for score, items, metric, value in calls:
            found = await one.client.score(score, items)
            assert found.value(metric) == pytest.approx(value)
            assert await asyncio.to_thread(client.score, score, items) == found
    assert found.confusion() == {("e", "e"): 1, ("e", "n"): 0, ("n", "e"): 1, ("n", "n"): 0}
    parsed = await one.client.score("parsing", [(tree, tree)])
    assert {(each.metric, each.estimator, each.value) for each in parsed.estimates} == {
        (metric, estimator, 100.0) for metric in ("uas", "las") for estimator in ("all", "no_punct")
    }


async def test_many_items_come_in_several_messages(serve: Callable[..., Any]) -> None:
    one = await serve()
    told: list[Any] = []
    items = ((f"a {n}", Example(str(n), "a b")) for n in range(1200))
    found = await one.client.score("bleu1", items, options={"resamples": 20}, progress=told.append)
    assert [progress.done for progress in told] == [512, 1024, 1200]
    assert found.find("bleu1_precision").n == 1200
    assert found.value("bleu1_precision") == pytest.approx(50.0)


@pytest.mark.parametrize(
    ("score", "items", "options", "field"),
    [
        ("bleu2", QA, {}, "spec.score"),
        ("qa", QA, {"normalizer": "squad"}, "spec.options[normalizer]"),
        ("qa", [], {}, "items"),
        ("qa", [QA[0], QA[0]], {}, "items[1].gold.id"),
        ("qa", [(Example("other", "x"), question(0, "x"))], {}, "items[0].prediction.id"),
        ("qa", [("x", Example("", "x"))], {}, "items[0].gold.id"),
        ("qa", [("x", question(0, ""))], {}, "items[0].gold.question.answers"),
        ("span_f1", [(words(0, "O"), words(0, "O"))], {}, "items"),
    ],
)
async def test_wrong_items_name_their_field(
    serve: Callable[..., Any], score: str, items: Any, options: Any, field: str
) -> None:
    client = (await serve()).client
    with pytest.raises(InvalidRequest) as error:
        await client.score(score, items, language="zh", options=options)
    assert error.value.field == field


async def test_limits_and_order_of_messages(serve: Callable[..., Any]) -> None:
    one = await serve(max_rows=4)
    with pytest.raises(LimitExceeded):
        await one.client.score("bleu1", [("a", Example(str(n), "a")) for n in range(5)])

    async def refused(*messages: Any) -> str:
        found = await refusal(one.client.address, metrics_pb2_grpc.MetricsServiceStub, "ScoreText", *messages)
        return found.message

    spec = metrics_pb2.ScoreTextRequest(spec=metrics_pb2.ScoreTextSpec(score="nli"))
    assert "the stream ended without any" in await refused()
    assert "Expected `spec` in the first message" in await refused(metrics_pb2.ScoreTextRequest())
    assert "Expected `items` after the first message" in await refused(spec, spec)


async def test_scores_of_each_item_compare_two_systems(serve: Callable[..., Any]) -> None:
    one = await serve()
    plain = await one.client.score("qa", QA, language="zh")
    first = await one.client.score("qa", QA, language="zh", item_scores=True)
    assert (plain.items, plain.estimates) == (None, first.estimates)
    assert first.items is not None
    assert (first.items.ids, first.items.languages) == (("q0", "q1", "q2"), ("zh",) * 3)
    assert first.items.values("em").tolist() == [0, 0, 100]
    assert first.items.values("f1").tolist() == pytest.approx([600 / 7, 0, 100])
    other = [("天氣很好", QA[0][1]), *QA[1:]]
    with closing(MetricsClient(one.client.address)) as client:
        second = await asyncio.to_thread(client.score, "qa", other, language="zh", item_scores=True)
    assert second.items is not None
    found = await one.client.compare_systems(first.items.values("f1"), second.items.values("f1"))
    assert found.difference == pytest.approx(first.value("f1") - second.value("f1"))

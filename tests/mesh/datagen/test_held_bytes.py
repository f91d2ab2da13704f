"""What transforms and dictionaries keep of a corpus is counted for the whole server, and given back."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest
from babelscope.data.example_messages import to_proto
from babelscope.data.examples import Example, Question, TextPair
from babelscope.v1 import datagen_pb2

from tests.support.refusals import failure

MESSAGES, EACH = 20, 200


def examples(number: int) -> Iterator[Example]:
    for place in range(number * EACH, (number + 1) * EACH):
        words = " ".join(f"{word}word{place}" for word in "abcdefgh")
        yield Example(f"{'i' * 300}{place}", words, "en")


def pairs(number: int) -> Iterator[Example]:
    for each in examples(number):
        yield Example(each.id, TextPair("p" * 400, f"{each.content}"), "en")


def questions(number: int) -> Iterator[Example]:
    for each in examples(number):
        yield Example(each.id, Question("q", f"{each.content}"), "en")


HELD = {
    "swap_language_of": (pairs, {"part": "premise", "language": "en"}),
    "deduplicate": (examples, {}),
    "permute_vocabulary": (examples, {}),
    "measure_anchors": (examples, {}),
    "learn_vocabulary": (examples, {"size": "1000"}),
    "split": (questions, {"dev": "0.1", "test": "0.1"}),
}


@pytest.mark.parametrize("name", HELD)
async def test_what_a_transform_keeps_is_bounded_and_given_back(name: str, serve: Any) -> None:
    running = await serve(held_bytes=1 << 20)
    make, options = HELD[name]

    async def corpus() -> AsyncIterator[datagen_pb2.TransformRequest]:
        step = datagen_pb2.TransformStep(name=name, options=options)
        yield datagen_pb2.TransformRequest(spec=datagen_pb2.TransformSpec(steps=[step]))
        for number in range(MESSAGES):
            held = datagen_pb2.Examples(examples=[to_proto(each) for each in make(number)])
            yield datagen_pb2.TransformRequest(examples=held)

    async def answers() -> list[Any]:
        return [answer async for answer in running.stub.Transform(corpus())]

    assert (await failure(answers())).quota == "held_bytes"
    await given_back(running)


async def test_a_dictionary_is_counted(serve: Any, tmp_path: Any) -> None:
    (tmp_path / "en-fr.tsv").write_text("".join(f"word{number}\tmot{number}\n" for number in range(5000)))
    running = await serve(held_bytes=1 << 20, dictionary_roots=(tmp_path,))
    step = datagen_pb2.TransformStep(name="code_switch", options={"dictionary": "en-fr.tsv", "languages": "fr"})
    corpus = [
        datagen_pb2.TransformRequest(spec=datagen_pb2.TransformSpec(steps=[step])),
        datagen_pb2.TransformRequest(
            examples=datagen_pb2.Examples(examples=[to_proto(Example("a", "word1 word2", "en"))])
        ),
    ]

    async def answers() -> list[Any]:
        return [answer async for answer in running.stub.Transform(iter(corpus))]

    assert (await failure(answers())).quota == "held_bytes"
    await given_back(running)


async def given_back(running: Any) -> None:
    """Waits until the work is closed, and the server holds nothing."""
    async with asyncio.timeout(200):
        while running.service.memory.used:  # noqa: ASYNC110 - work is closed in a thread of its own
            await asyncio.sleep(0.01)

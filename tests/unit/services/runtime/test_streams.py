from collections.abc import AsyncIterator
from typing import Any

import pytest
from babelscope.v1 import encoder_pb2, text_pb2

from services.runtime.errors import InvalidArgument
from services.runtime.streams import first, later

SPEC = encoder_pb2.EncodeRequest(spec=encoder_pb2.EncodeSpec(layers=[1]))
TEXTS = encoder_pb2.EncodeRequest(texts={"texts": [text_pb2.Text(id="a")]})
EMPTY = encoder_pb2.EncodeRequest()


async def _stream(*messages: Any) -> AsyncIterator[Any]:
    for message in messages:
        yield message


async def test_the_first_message_is_the_specification() -> None:
    messages = _stream(SPEC, TEXTS)
    assert (await first(messages)).layers == [1]
    assert [message async for message in messages] == [TEXTS]


@pytest.mark.parametrize(
    ("messages", "got"),
    [([], "the stream ended without any"), ([TEXTS, SPEC], "got `texts`"), ([EMPTY], "got an empty message")],
)
async def test_another_first_message_is_refused(messages: list[Any], got: str) -> None:
    with pytest.raises(InvalidArgument) as caught:
        await first(_stream(*messages))
    assert caught.value.field == "spec"
    assert caught.value.problem.startswith("Expected `spec` in the first message, but ")
    assert caught.value.problem.endswith(got)


def test_later_messages_carry_one_kind() -> None:
    assert later(TEXTS, "texts").texts[0].id == "a"
    for message, got in ((SPEC, "`spec`"), (EMPTY, "an empty message")):
        with pytest.raises(InvalidArgument) as caught:
            later(message, "texts")
        assert caught.value.field == "texts"
        assert caught.value.problem == f"Expected `texts` after the first message, but got {got}"

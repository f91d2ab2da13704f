"""Messages within a message, counted from its bytes: against the parsed message itself."""

from typing import Any

import pytest
from babelscope.v1 import datagen_pb2, encoder_pb2, metrics_pb2, text_pb2
from google.protobuf.message import DecodeError
from hypothesis import given
from hypothesis import strategies as st

from services.runtime.rpc.parts import Parts
from tests.support import valid_requests
from tests.support.mutation import mutated

EVERYTHING = 1 << 40
REQUESTS = [*valid_requests.datagen(), *valid_requests.encoder(), *valid_requests.metrics()]


def parsed(message: Any) -> int:
    """The number by walking over the parsed message."""
    found = 0
    for field, value in message.ListFields():
        if field.message_type is None:
            continue
        if field.message_type.GetOptions().map_entry:
            found += len(value)
        else:
            parts = value if field.is_repeated else [value]
            found += sum(1 + parsed(part) for part in parts)
    return found


def exact(message: Any, most: int = EVERYTHING) -> int:
    return Parts(type(message).DESCRIPTOR)._walk(message.SerializeToString(), most)


@given(st.integers(0, 10_000))
def test_what_is_counted_is_what_is_parsed(seed: int) -> None:
    for message in mutated(REQUESTS, seed)[1]:
        parts = Parts(type(message).DESCRIPTOR)
        assert exact(message) == parsed(message)
        assert parts.count(message.SerializeToString(), EVERYTHING) >= parsed(message)


@given(st.binary(max_size=200))
def test_bytes_that_are_no_message_are_counted_too(data: bytes) -> None:
    parts = Parts(datagen_pb2.PutDatasetRequest.DESCRIPTOR)
    assert 0 <= parts._walk(data, EVERYTHING) <= parts.count(data, EVERYTHING)


@pytest.mark.parametrize(
    ("message", "count"),
    [
        (text_pb2.Example(id="a"), 0),
        (text_pb2.Example(sentence=text_pb2.Sentence(words=[text_pb2.Word()] * 300)), 301),
        (text_pb2.Example(attributes={"a": "b", "c": "d"}), 2),
        (encoder_pb2.EncodeRequest(texts=encoder_pb2.EncodeTexts(texts=[text_pb2.Text(text="a")] * 7)), 8),
        (metrics_pb2.CorrelateRequest(x=[0.0] * 50), 0),
    ],
)
def test_known_numbers(message: Any, count: int) -> None:
    assert exact(message) == count


def test_a_long_count_ends_early() -> None:
    words = text_pb2.Example(sentence=text_pb2.Sentence(words=[text_pb2.Word()] * 50_000))
    parts = Parts(text_pb2.Example.DESCRIPTOR)
    assert parts.count(words.SerializeToString(), 20_000) == 20_001
    assert parts.count(words.SerializeToString(), EVERYTHING) == 50_001


def test_tags_that_are_longer_than_they_need_be_count() -> None:
    kind = text_pb2.Sentence
    (field,) = [each for each in kind.DESCRIPTOR.fields if each.name == "words"]
    data = bytes([field.number << 3 | 2 | 0x80, 0x80, 0x00, 0x00]) * 5
    assert len(kind.FromString(data).words) == 5
    assert Parts(kind.DESCRIPTOR)._walk(data, EVERYTHING) == 5
    assert Parts(kind.DESCRIPTOR).count(data, EVERYTHING) >= 5


def test_text_of_letters_that_look_like_tags_is_no_parts() -> None:
    text = text_pb2.Example(text='"*2:BJRZbjrz' * 10_000)
    assert Parts(text_pb2.Example.DESCRIPTOR).count(text.SerializeToString(), EVERYTHING) == 0


@pytest.mark.parametrize("length", [10, 11, 1 << 21])
def test_a_number_that_is_longer_than_any_ends_the_count(length: int) -> None:
    """As the parser's reading does; to read on would take time that grows with the square of the length."""
    kind = text_pb2.Sentence
    (field,) = [each for each in kind.DESCRIPTOR.fields if each.name == "words"]
    part = bytes([field.number << 3 | 2, 0])
    tag = bytes([field.number << 3 | 2 | 0x80])
    data = part * 3 + tag * length + part * 5
    with pytest.raises(DecodeError):
        kind.FromString(data)
    assert Parts(kind.DESCRIPTOR).count(data + part * 20_000, EVERYTHING) == 3

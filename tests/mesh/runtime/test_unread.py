"""Clients that do not read their answers: whatever the kind of method, they hold no place for ever."""

from collections.abc import AsyncIterator
from typing import Any

import grpc
import pytest

from tests.support.unread import READ_SECONDS, ended_unread, narrow

LONG = bytes(40_000)


async def _messages(*messages: bytes) -> AsyncIterator[bytes]:
    for message in messages:
        yield message


@pytest.mark.parametrize("method", ["Endless", "Chat"])
async def test_a_client_that_does_not_read_loses_its_stream(method: str, toy: Any, serve: Any) -> None:
    server = await serve(toy, read_seconds=READ_SECONDS)
    async with narrow(server) as channel:
        if method == "Chat":
            call: Any = channel.stream_stream("/toy.v1.Toy/Chat")(_messages(*[LONG] * 100))
        else:
            call = channel.unary_stream("/toy.v1.Toy/Endless")(LONG)
        found = await ended_unread(server, call)
    assert (found.code, found.quota) == (grpc.StatusCode.RESOURCE_EXHAUSTED, "read_seconds")
    assert found.message == "read_seconds: Expected the client to read its answers within 0.2 s, but it did not"

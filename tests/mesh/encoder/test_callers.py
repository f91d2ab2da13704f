"""Tokens that a model computes are counted as those of who asked, and bounded a minute."""

import json
from pathlib import Path
from typing import Any

import grpc
from babelscope.v1 import encoder_pb2, model_pb2, text_pb2

from tests.support.encoder_calls import sentences, spec, texts
from tests.support.refusals import failure

ADA, BOB = ((("authorization", f"Bearer {token}"),) for token in ("a", "b"))


async def test_tokens_a_minute(serve: Any, tmp_path: Path) -> None:
    path = tmp_path / "callers.json"
    path.write_text(json.dumps({"ada": {"token": "a", "tokens_per_minute": 20}, "bob": {"token": "b"}}))
    server = await serve(callers=path)
    request = encoder_pb2.TokenizeRequest(
        model=model_pb2.ModelRef(name="tiny"), texts=[text_pb2.Text(id=f"{n}", text="the cat") for n in range(30)]
    )
    answer = await server.stub.Tokenize(request, metadata=ADA)
    tokens = sum(len(text.token_ids) for text in answer.texts)
    assert tokens > 20
    assert server.gauge("caller_tokens_total", caller="ada") == tokens
    refused = await failure(server.stub.Tokenize(request, metadata=ADA))
    assert (refused.code, refused.quota) == (grpc.StatusCode.RESOURCE_EXHAUSTED, "tokens_per_minute")
    assert refused.retry > 1
    assert server.gauge("caller_refused_total", caller="ada", limit="tokens_per_minute") == 1
    assert len((await server.stub.Tokenize(request, metadata=BOB)).texts) == 30


async def test_texts_of_a_stream_count_too(serve: Any, tmp_path: Path) -> None:
    path = tmp_path / "callers.json"
    path.write_text(json.dumps({"ada": {"token": "a"}}))
    server = await serve(callers=path)
    call = server.stub.Encode(iter([spec(), texts(*sentences(40))]), metadata=ADA)
    [*_, last] = [message async for message in call]
    assert server.gauge("caller_tokens_total", caller="ada") == last.finished.tokens > 40

"""Kept rows over the wire: the same bits as computed ones, for every server of the store, whatever was killed."""

import asyncio
from typing import Any

import numpy as np
import pytest
from babelscope.v1 import model_pb2, tensor_pb2, text_pb2

from services.encoder.engine import Engine
from tests.support.encoder_calls import Answer, encode, sentences, spec, texts, units

CACHE = {"cache_bytes": 1 << 24}
STRINGS = sentences(40)


def same(one: Answer, other: Answer) -> None:
    """Both have the same bits and counts for every text."""
    assert one.items.keys() == other.items.keys()
    for index, item in one.items.items():
        assert item == other.items[index]
        np.testing.assert_array_equal(one.arrays[index], other.arrays[index])
    for field in ("texts", "tokens", "truncated", "empty_rows"):
        assert getattr(one.finished, field) == getattr(other.finished, field)


@pytest.fixture
def calls(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What engines of this process were asked for."""
    found: list[str] = []
    for name in ("tokenize", "encode"):
        real = getattr(Engine, name)

        def told(self: Engine, *args: Any, _real: Any = real, _name: str = name, **kwargs: Any) -> Any:
            found.append(_name)
            return _real(self, *args, **kwargs)

        monkeypatch.setattr(Engine, name, told)
    return found


async def filled(server: Any, written: float = 1) -> None:
    """Waits until a server has written kept rows."""
    await server.until(lambda: server.gauge("encoder_cache_written_bytes_total") >= written)


@pytest.mark.parametrize("output", [tensor_pb2.DATA_TYPE_F32, tensor_pb2.DATA_TYPE_BF16])
async def test_another_server_answers_with_the_same_bits(serve: Any, calls: list[str], output: int) -> None:
    first = await serve(**CACHE)
    before = await encode(first.stub, spec(output_dtype=output), texts(*STRINGS))
    await filled(first)
    second = await serve(**CACHE)
    calls.clear()
    after = await encode(second.stub, spec(output_dtype=output), texts(*STRINGS))
    same(after, before)
    assert not calls
    assert second.gauge("encoder_cache_hits_total") == 40
    assert second.gauge("encoder_cache_misses_total") == 0
    some = await encode(second.stub, spec(layers=[1], output_dtype=output), texts(*STRINGS))
    assert not calls
    for index, rows in some.arrays.items():
        np.testing.assert_array_equal(rows, before.arrays[index][:, [1]])


async def test_hits_and_misses_share_a_request(serve: Any, calls: list[str]) -> None:
    server = await serve(**CACHE)
    before = await encode(server.stub, spec(), texts(*STRINGS[::2]))
    calls.clear()
    mixed = await encode(server.stub, spec(), texts(*STRINGS[:20]), texts(*STRINGS[20:], first=20))
    assert sorted(mixed.arrays) == list(range(40))
    assert [mixed.items[index].id for index in range(40)] == [text.id for text in texts(*STRINGS).texts.texts]
    for index, rows in before.arrays.items():
        np.testing.assert_array_equal(mixed.arrays[2 * index], rows)
    assert "encode" in calls
    plain = await serve()
    computed = await encode(plain.stub, spec(), texts(*STRINGS))
    for index, rows in computed.arrays.items():
        np.testing.assert_allclose(mixed.arrays[index], rows, atol=1e-5)
    assert mixed.finished.tokens == computed.finished.tokens


async def test_what_changes_the_rows_is_computed(serve: Any, calls: list[str]) -> None:
    server = await serve(**CACHE)
    reinit = model_pb2.ModelRef(name="tiny", reinit=[model_pb2.ReinitLayers(layers=[1], seed=1)])
    asked: list[dict[str, Any]] = [
        {},
        {"pooling": model_pb2.POOLING_CLS},
        {"compute_dtype": tensor_pb2.DATA_TYPE_BF16},
        {"max_tokens": 5, "overflow": text_pb2.OVERFLOW_TRUNCATE},
        {"max_tokens": 6, "overflow": text_pb2.OVERFLOW_TRUNCATE},
        {"model": reinit},
    ]
    for fields in asked:
        request = spec(**{key: value for key, value in fields.items() if key != "model"})
        if "model" in fields:
            request.spec.model.CopyFrom(fields["model"])
        calls.clear()
        answer = await encode(server.stub, request, texts("the old cat sees a bird"))
        assert "encode" in calls
        calls.clear()
        same(await encode(server.stub, request, texts("the old cat sees a bird")), answer)
        assert not calls


async def test_units_are_told_apart_and_tokens_are_not_kept(serve: Any, calls: list[str]) -> None:
    server = await serve(**CACHE)
    text = "the old cat sees a bird"
    mean = spec(pooling=model_pb2.POOLING_WORD_MEAN)
    one = await encode(server.stub, mean, units(text=text, words=["old", "\u200b", "bird"][::2]))
    calls.clear()
    other = await encode(server.stub, mean, units(text=text, words=["old", "cat"]))
    assert "encode" in calls
    calls.clear()
    same(await encode(server.stub, mean, units(text=text, words=["old", "bird"])), one)
    same(await encode(server.stub, mean, units(text=text, words=["old", "cat"])), other)
    assert not calls
    empty = units(words=["the", "\u200b", "cat"])
    zero = await encode(server.stub, mean, empty)
    same(await encode(server.stub, mean, empty), zero)
    assert zero.finished.empty_rows == 1
    for _ in range(2):
        calls.clear()
        await encode(server.stub, spec(pooling=model_pb2.POOLING_TOKEN), texts(text))
        assert "encode" in calls


async def test_a_server_killed_while_it_writes_leaves_nothing_wrong(
    serve: Any, spawn: Any, dial: Any, tmp_path: Any
) -> None:
    store = str(tmp_path / "store")
    process = spawn(BABELSCOPE_STORE_URL=store, BABELSCOPE_CACHE_BYTES=str(1 << 24))
    stub = dial(await process.ready())
    before = await encode(stub, spec(), texts(*STRINGS))
    async with asyncio.timeout(60):
        while not any((tmp_path / "store").glob("rows/*/*")):  # noqa: ASYNC110 - another process
            await asyncio.sleep(0)
    process.process.kill()
    await process.ended()
    server = await serve(**CACHE, store_url=store)
    after = await encode(server.stub, spec(), texts(*STRINGS))
    assert after.items.keys() == before.items.keys()
    for index, rows in before.arrays.items():
        np.testing.assert_allclose(after.arrays[index], rows, atol=1e-5)
    assert server.gauge("encoder_cache_damaged_total") == 0

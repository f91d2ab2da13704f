"""What clients do wrong, and clients that go: a clear error with the example's id, and nothing half-written."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import Any

import grpc
import pytest
from babelscope import Answer, CorpusError, Example, InvalidRequest, NotFound, Question, RpcError, Sentence, Word
from babelscope.corpora import Options, read_examples
from babelscope.data.example_messages import to_proto
from babelscope.v1 import datagen_pb2, datagen_pb2_grpc

from tests.support.refusals import refusal

GOOD = [Example(f"s{number}", f"text {number}", "en") for number in range(1200)]


@pytest.mark.parametrize(
    ("wrong", "field"),
    [
        (Example("bad", Question("abc", "?", (Answer("c", 0),))), "examples[bad].question.answers[0].start"),
        (Example("bad", Sentence((Word("a", head=2), Word("b", head=1)), "a b")), "examples[bad].sentence.words"),
        (Example("s7", "again", "en"), "examples[s7].id"),
        (Example("bad", "x", "no tag!"), "examples[bad].language"),
    ],
)
async def test_a_bad_example_is_named_and_nothing_is_stored(
    serve: Callable[..., Any], wrong: Example, field: str
) -> None:
    one = await serve()
    with pytest.raises(InvalidRequest) as caught:
        await one.client.put_dataset([*GOOD, wrong])
    assert caught.value.field == field
    with pytest.raises(InvalidRequest) as caught:
        await one.client.transform([*GOOD, wrong], ["prefix_language"], store_as="x").finish()
    assert caught.value.field == field
    await one.idle()
    assert one.stored() == []


@pytest.mark.parametrize(
    ("wrong", "field"),
    [
        (Example("s7", "again", "en"), "examples[s7].id"),
        (Example("", "no id", "en"), "examples[1200].id"),
        (Example("x" * 2000, "a long id", "en"), "examples[1200].id"),
    ],
)
@pytest.mark.parametrize("kept", ["", "x"])
async def test_ids_are_checked_over_all_messages_of_a_stream(
    serve: Callable[..., Any], wrong: Example, field: str, kept: str
) -> None:
    one = await serve()
    stream = one.client.transform([*GOOD, wrong], ["prefix_language"], store_as=kept)
    with pytest.raises(InvalidRequest) as caught:
        async for _ in stream:
            pass
    assert caught.value.field == field
    with pytest.raises(InvalidRequest) as caught:
        await one.client.put_dataset([*GOOD, wrong])
    assert caught.value.field == field
    same_in_french = [*GOOD[:3], Example("s1", "texte 1", "fr")]
    assert len([each async for each in one.client.transform(same_in_french, ["prefix_language"])]) == 4


async def test_invalid_utf8(serve: Callable[..., Any]) -> None:
    one = await serve()
    with pytest.raises(ValueError, match="example 'bad'"):
        await one.client.put_dataset([*GOOD, Example("bad", "\ud800")])
    message = datagen_pb2.PutDatasetRequest(examples=datagen_pb2.Examples(examples=[to_proto(GOOD[0])]))
    broken = message.SerializeToString().replace(b"text 0", b"text\xff0")
    spec = datagen_pb2.PutDatasetRequest(spec=datagen_pb2.PutDatasetSpec()).SerializeToString()
    async with grpc.aio.insecure_channel(f"127.0.0.1:{one.server.port}") as channel:
        put = channel.stream_unary("/babelscope.v1.DatagenService/PutDataset")
        with pytest.raises(grpc.RpcError) as caught:
            await put(iter([spec, broken]))
    assert caught.value.code() is grpc.StatusCode.INVALID_ARGUMENT
    await one.idle()
    assert one.stored() == []


@pytest.mark.parametrize(
    ("name", "data", "options", "problem"),
    [
        ("broken.json", b'{"data": [', Options(), "Expected JSON"),
        ("columns.tsv", b"id\ttext\n1\ta\n2\n", Options(), "Expected 2 fields"),
        ("columns.tsv", b"id\ttext\n1\ta\n", Options(column="words"), "Expected a column among id, text"),
        ("latin.txt", b"caf\xe9\n", Options(), "Expected UTF-8"),
    ],
)
async def test_a_broken_file_stores_nothing(
    serve: Callable[..., Any], tmp_path: Path, *, name: str, data: bytes, options: Options, problem: str
) -> None:
    one = await serve()
    (tmp_path / name).write_bytes(data)
    with pytest.raises(CorpusError, match=problem):
        await one.client.put_dataset(read_examples(tmp_path / name, options=options))
    await one.idle()
    assert one.stored() == []


async def test_wrong_offsets_in_a_file_are_named(serve: Callable[..., Any], tmp_path: Path) -> None:
    one = await serve()
    answer = {"text": "chat", "answer_start": 2}
    paragraph = {"context": "un chat", "qas": [{"id": "q1", "question": "?", "answers": [answer]}]}
    (tmp_path / "x.json").write_text(json.dumps({"data": [{"paragraphs": [paragraph]}]}))
    with pytest.raises(InvalidRequest, match=r"examples\[q1\]"):
        await one.client.put_dataset(read_examples(tmp_path / "x.json"))
    stream = one.client.transform(read_examples(tmp_path / "x.json"), ["recover_answers"])
    [mended] = [example async for example in stream]
    assert mended.content.answers == (Answer("chat", 3),)


@pytest.mark.parametrize(
    ("steps", "problem"),
    [
        ([], "at least one step"),
        (["nope"], r"spec\.steps\[0\]\.name"),
        (["deduplicate", "subsample:siez=3"], r"spec\.steps\[1\]\.options\[siez\]"),
        (["code_switch:dictionary=empty.tsv,languages=fr"], "at least one word pair"),
        (["code_switch:dictionary=broken.tsv,languages=fr"], "broken.tsv:1"),
        (["code_switch:dictionary=/etc/passwd,languages=fr"], "dictionary"),
    ],
)
async def test_a_bad_pipeline(serve: Callable[..., Any], tmp_path: Path, steps: list[str], problem: str) -> None:
    (tmp_path / "empty.tsv").write_text("\n")
    (tmp_path / "broken.tsv").write_text("one\n")
    one = await serve(dictionary_roots=(tmp_path,))
    with pytest.raises(RpcError, match=problem):
        await one.client.transform(GOOD, steps, store_as="x").finish()
    await one.idle()
    assert one.stored() == []


async def test_a_pipeline_that_leaves_nothing_stores_nothing(serve: Callable[..., Any]) -> None:
    one = await serve()
    with pytest.raises(InvalidRequest) as caught:
        await one.client.transform(GOOD, ["split:dev=0,test=0,keep=dev"], store_as="x").finish()
    assert caught.value.field == "spec.steps"
    assert one.stored() == []


async def test_unknown_names(serve: Callable[..., Any]) -> None:
    one = await serve()
    with pytest.raises(NotFound):
        await one.client.describe_dataset("datasets/" + "0" * 64)
    with pytest.raises(InvalidRequest):
        await one.client.get_dataset("../../etc/passwd").__aiter__().__anext__()
    with pytest.raises(NotFound):
        await one.client.transform("datasets/" + "0" * 64, ["deduplicate"]).finish()
    with pytest.raises(InvalidRequest, match="languages"):
        await one.client.generate_corpus(["xx"], 3).finish()


async def test_messages_in_the_wrong_order(serve: Callable[..., Any]) -> None:
    one = await serve()
    examples = datagen_pb2.PutDatasetRequest(examples=datagen_pb2.Examples(examples=[to_proto(GOOD[0])]))
    spec = datagen_pb2.PutDatasetRequest(spec=datagen_pb2.PutDatasetSpec())
    for messages in ([examples], [spec, spec], [], [spec]):
        found = await refusal(one.client.address, datagen_pb2_grpc.DatagenServiceStub, "PutDataset", *messages)
        assert found.code is grpc.StatusCode.INVALID_ARGUMENT
    assert one.stored() == []


@pytest.mark.parametrize("method", ["PutDataset", "Transform"])
async def test_a_client_that_dies_half_way_leaves_nothing(serve: Callable[..., Any], method: str) -> None:
    one = await serve()
    put = method == "PutDataset"
    kind = datagen_pb2.PutDatasetRequest if put else datagen_pb2.TransformRequest
    step = datagen_pb2.TransformStep(name="subsample", options={"size": "5"})
    spec: Any = datagen_pb2.PutDatasetSpec(title="x") if put else datagen_pb2.TransformSpec(steps=[step], store_as="x")
    sent = asyncio.Event()

    async def requests() -> AsyncIterator[Any]:
        yield kind(spec=spec)
        yield kind(examples=datagen_pb2.Examples(examples=[to_proto(each) for each in GOOD]))
        sent.set()
        await asyncio.Event().wait()

    call = getattr(one.stub, method)(requests())
    await sent.wait()
    async with asyncio.timeout(200):
        while not one.left_behind():  # noqa: ASYNC110 - the server's own file
            await asyncio.sleep(0.01)
    call.cancel()
    await one.idle()
    assert one.stored() == []
    assert await one.client.list_datasets() == []


async def test_a_source_that_raises_half_way_is_no_end(serve: Callable[..., Any]) -> None:
    """Half a stream must not look like a whole one."""
    one = await serve()

    def broken() -> Iterator[Example]:
        yield from GOOD
        raise OSError("the disk is gone")

    with pytest.raises(OSError, match="the disk is gone"):
        await one.client.put_dataset(broken())
    await one.idle()
    assert one.stored() == []


async def test_a_deadline_stops_the_work(serve: Callable[..., Any]) -> None:
    one = await serve()
    with pytest.raises(RpcError):
        await one.client.generate_corpus([], 1_000_000, store_as="x", timeout=0.5).finish()
    await one.idle()
    assert one.stored() == []

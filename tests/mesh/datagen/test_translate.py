"""TranslateService over the wire: as a server, as a back end of `translate`, killed and come back half-way."""

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import grpc
import pytest
from babelscope import Answer, Example, Question, Step
from babelscope.errors import InvalidRequest, NotFound, Refused
from babelscope.v1 import text_pb2, translate_pb2, translate_pb2_grpc

from services.datagen.counts import StepReport
from services.datagen.transforms.registry import create
from services.runtime import errors
from tests.support.refusals import refusal
from tests.support.translating import Systems

ROOT = Path(__file__).resolve().parents[3]
PAIRS = "the\tder\ncat\tkater\nsat\tsaß\non\tauf\nmat\tmatte\nwho\twer\n"


@pytest.fixture
def words(tmp_path: Path) -> Path:
    """A root with the dictionary `words/en-de.tsv`."""
    folder = tmp_path / "dictionaries" / "words"
    folder.mkdir(parents=True)
    (folder / "en-de.tsv").write_text(PAIRS, encoding="utf-8")
    return folder.parent


@contextmanager
def _process(words: Path, folder: Path, port: int) -> Iterator[subprocess.Popen[bytes]]:
    """A datagen server in a process of its own."""
    environment = {
        **os.environ,
        "PYTHONPATH": f"{ROOT}:{ROOT / 'clients'}",
        "BABELSCOPE_PORT": str(port),
        "BABELSCOPE_STORE_URL": str(folder / "store"),
        "BABELSCOPE_SCRATCH_DIR": str(folder / "scratch"),
        "BABELSCOPE_DICTIONARY_ROOTS": str(words),
        "BABELSCOPE_TRANSLATION_DEFAULT": "dictionary:words",
    }
    process = subprocess.Popen(
        [sys.executable, "-m", "services.datagen"], cwd=ROOT, env=environment, stderr=subprocess.DEVNULL
    )
    try:
        with grpc.insecure_channel(f"127.0.0.1:{port}", [("grpc.initial_reconnect_backoff_ms", 100)]) as channel:
            grpc.channel_ready_future(channel).result(timeout=200)
        yield process
    finally:
        process.kill()
        process.wait()


def _requests(texts: list[tuple[str, str]], **spec: str) -> Iterator[translate_pb2.TranslateRequest]:
    yield translate_pb2.TranslateRequest(spec=translate_pb2.TranslateSpec(**spec))
    for name, text in texts:
        one = text_pb2.Text(id=name, text=text)
        yield translate_pb2.TranslateRequest(texts=translate_pb2.TranslateTexts(texts=[one]))


async def test_the_service_translates_with_its_own_systems(serve: Callable[..., Any], words: Path) -> None:
    one = await serve(dictionary_roots=(words,))
    async with grpc.aio.insecure_channel(one.client.address) as channel:
        stub = translate_pb2_grpc.TranslateServiceStub(channel)
        requests = list(
            _requests(
                [("a", "The cat."), ("b", "the mat?")],
                source_language="en",
                target_language="de",
                system="dictionary:words",
            )
        )
        answers = [answer async for answer in stub.Translate(iter(requests))]
        rows = [(each.index, each.id, each.text) for answer in answers for each in answer.translations]
        assert rows == [(0, "a", "Der kater."), (1, "b", "der matte?")]
        for change, problem in (
            ({"system": "remote:127.0.0.1:1"}, "spec.system"),
            ({"target_language": ""}, "spec.target_language"),
        ):
            spec = {"source_language": "en", "target_language": "de", "system": "dictionary:words", **change}
            messages = _requests([("a", "x")], **spec)
            found = await refusal(one.client.address, translate_pb2_grpc.TranslateServiceStub, "Translate", *messages)
            assert (found.code, list(found.fields)) == (grpc.StatusCode.INVALID_ARGUMENT, [problem])


async def test_a_pipeline_translates_and_recovers(serve: Callable[..., Any], words: Path) -> None:
    one = await serve(dictionary_roots=(words,))
    context = "Who sat? The cat sat on the mat."
    question = Example("q", Question(context, "Who sat?", (Answer("the mat", 24),)), "en")
    steps = [Step("translate", {"target": "de", "dictionary": "words"}), Step("recover_answers", {})]
    stream = one.client.transform([question], steps)
    done = [example async for example in stream]
    assert done[0].content.context == "Wer saß? Der kater saß auf der matte."
    assert done[0].content.answers == (Answer("der matte", 27),)
    with pytest.raises(NotFound):
        _ = [each async for each in one.client.transform([question], [Step("translate", {**_DE, "dictionary": "no"})])]
    step = Step("translate", {**_DE, "backend": "remote", "address": "127.0.0.1:1"})
    with pytest.raises(InvalidRequest, match="the settings allow"):
        _ = [each async for each in one.client.transform([question], [step])]


_DE = {"target": "de"}
EXAMPLES = [Example(f"s{number}", f"the cat {number} sat on the mat", "en") for number in range(700)]


@pytest.mark.slow
def test_a_server_that_dies_half_way_names_the_example(
    words: Path, tmp_path: Path, free_port: Callable[[], int]
) -> None:
    port = free_port()
    address = f"127.0.0.1:{port}"
    systems = Systems(settings={"translation_servers": address, "translation_patience": 0.5})
    with _process(words, tmp_path / "server", port) as process:

        def killing() -> Iterator[Example]:
            for number, example in enumerate(EXAMPLES):
                if number == 600:  # two windows of 256 have come by now
                    process.send_signal(signal.SIGKILL)
                    process.wait()
                yield example

        with pytest.raises(errors.FailedPrecondition, match=r"the translation server at 127.*\(examples\[s512\]\)$"):
            _translated(killing(), systems, address)


@pytest.mark.slow
def test_a_server_that_comes_back_goes_on(words: Path, tmp_path: Path, free_port: Callable[[], int]) -> None:
    port = free_port()
    address = f"127.0.0.1:{port}"
    systems = Systems(settings={"translation_servers": address, "translation_patience": 60})
    with _process(words, tmp_path / "server", port) as first:

        def restarting() -> Iterator[Example]:
            for number, example in enumerate(EXAMPLES):
                if number == 600:
                    first.kill()
                    first.wait()
                    second.__enter__()
                yield example

        second = _process(words, tmp_path / "server", port)
        try:
            done = _translated(restarting(), systems, address)
        finally:
            second.__exit__(None, None, None)
    assert [example.content for example in done] == [f"der kater {i} saß auf der matte" for i in range(700)]
    assert [example.id for example in done] == [example.id for example in EXAMPLES]


@pytest.mark.slow
@pytest.mark.parametrize("dies", [True, False], ids=["half-way", "before"])
async def test_a_pipeline_whose_other_server_is_gone_ends_at_once(
    serve: Callable[..., Any], words: Path, tmp_path: Path, free_port: Callable[[], int], dies: bool
) -> None:
    """The patience is the server's setting: the client, with its own of two minutes, does not begin anew."""
    port = free_port()
    address = f"127.0.0.1:{port}"
    one = await serve(translation_servers=(address,), translation_patience=0.5)
    step = Step("translate", {**_DE, "backend": "remote", "address": address})
    if not dies:
        with pytest.raises(Refused, match=r"examples\[s0\]"):
            await one.client.transform(EXAMPLES, [step], store_as="translated").finish()
    else:
        with _process(words, tmp_path / "other", port) as process:

            def killing() -> Iterator[Example]:
                for number, example in enumerate(many):
                    if number == 20_000:
                        process.send_signal(signal.SIGKILL)
                        process.wait()
                    yield example

            many = [Example(f"s{number}", f"the cat {number} sat on the mat", "en") for number in range(30_000)]
            with pytest.raises(Refused, match=r"the translation server at 127.*examples\[s\d+\]"):
                await one.client.transform(killing(), [step], store_as="translated").finish()
    await one.idle()
    assert one.stored() == []


def _translated(examples: Iterator[Example], systems: Systems, address: str) -> list[Example]:
    step = create("translate", {**_DE, "backend": "remote", "address": address}, systems, 0)
    return list(step.apply(examples, StepReport("translate")))

"""Encoder servers as processes: start, refused to start, drain, kill, restart."""

import asyncio
import signal
from typing import Any

import grpc
import numpy as np
import pytest
from babelscope.local.demo import DEMO_MODEL, demo_model

from tests.support.encoder_calls import encode, refused, rest, sentences, spec, texts


async def test_sigterm_lets_a_running_stream_end(spawn: Any, dial: Any) -> None:
    process = spawn(BABELSCOPE_PRELOAD="tiny")
    address = await process.ready()
    stub = dial(address)
    halves = [texts(*sentences(50)), texts(*sentences(50), first=50)]
    held = asyncio.Event()

    async def messages() -> Any:
        yield spec()
        yield halves[0]
        await held.wait()
        yield halves[1]

    call = stub.Encode(messages())
    assert (await call.read()).HasField("started")
    process.process.send_signal(signal.SIGTERM)
    async with asyncio.timeout(200):
        while not any(event["event"] == "draining" for event in process.events):  # noqa: ASYNC110 - another process
            await asyncio.sleep(0.02)
    assert (await refused(address, spec(), texts("the cat"))).code == grpc.StatusCode.UNAVAILABLE
    held.set()
    answers = await rest(call)
    assert sorted(item.index for answer in answers for item in answer.chunk.items) == list(range(100))
    assert answers[-1].HasField("finished")
    assert await process.ended() == 0
    assert not process.port_file.exists()


async def test_a_killed_server_breaks_its_streams_at_once_and_answers_the_same_after_its_restart(
    spawn: Any, dial: Any
) -> None:
    request = (spec(), texts(*sentences(60)))
    first = spawn()
    stub = dial(await first.ready())
    before = await encode(stub, *request)
    never = asyncio.Event()

    async def messages() -> Any:
        yield spec()
        await never.wait()

    call = stub.Encode(messages())
    assert (await call.read()).HasField("started")
    first.process.kill()
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await call.read()
    assert caught.value.code() == grpc.StatusCode.UNAVAILABLE
    await first.ended()
    second = spawn()
    after = await encode(dial(await second.ready()), *request)
    assert after.started.model.digest == before.started.model.digest
    for index, array in before.arrays.items():
        np.testing.assert_allclose(after.arrays[index], array, atol=1e-5)


@pytest.mark.parametrize("preload", ["", "tiny"])
async def test_a_budget_below_the_longest_input_stops_the_server_at_its_start(spawn: Any, preload: str) -> None:
    process = spawn(BABELSCOPE_TOKEN_BUDGET="63", BABELSCOPE_PRELOAD=preload)
    assert await process.ended() == 2
    problem = process.events[-1]["problem"] if "problem" in process.events[-1] else process.log.read_text()
    assert "Expected `token_budget` (BABELSCOPE_TOKEN_BUDGET) of at least 64" in process.log.read_text(), problem


@pytest.mark.parametrize(
    ("env", "code", "problem"),
    [
        ({"BABELSCOPE_PRELOAD": "absent"}, 1, "none called 'absent'"),
        ({"BABELSCOPE_DEVICE": "tpu"}, 2, "BABELSCOPE_DEVICE"),
        ({"BABELSCOPE_STORE_URL": "nonsense://x"}, 2, "BABELSCOPE_STORE_URL: store_url: Expected a folder or a URL"),
        ({"BABELSCOPE_MODEL_ROOTS": "[nonsense"}, 2, "BABELSCOPE_MODEL_ROOTS"),
    ],
)
async def test_wrong_settings_stop_the_server_with_a_clear_line(
    spawn: Any, env: dict[str, str], code: int, problem: str
) -> None:
    process = spawn(**env)
    assert await process.ended() == code
    assert problem in process.log.read_text()
    assert "Traceback" not in process.log.read_text()


async def test_the_demo_model_serves_through_its_alias(serve: Any) -> None:
    folder = demo_model()
    if folder is None:
        pytest.skip("the demo model's package is not installed")
    server = await serve(model_roots=(), model_aliases={DEMO_MODEL: folder}, threads=2, preload=(DEMO_MODEL,))
    strings = ["The cat sat on the mat.", "Der Hund schläft.", "猫は寝ている。", "x" * 300]
    alone = [await encode(server.stub, spec(DEMO_MODEL), texts(each)) for each in strings]
    together = await asyncio.gather(
        *(encode(server.stub, spec(DEMO_MODEL), texts(*strings * 5, first=0)) for _ in range(4))
    )
    assert alone[0].started.model.layers == 6
    for answer in together:
        for index, array in answer.arrays.items():
            np.testing.assert_allclose(array, alone[index % 4].arrays[0], atol=1e-5)

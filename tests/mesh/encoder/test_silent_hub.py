"""A hub that accepts connections and never answers: those who ask it wait, and nobody else."""

import asyncio
from pathlib import Path
from typing import Any

import grpc
import numpy as np
from babelscope.v1 import encoder_pb2, model_pb2
from grpc_health.v1 import health_pb2, health_pb2_grpc

from tests.support.encoder_calls import encode, sentences, spec, texts

ASKING = 40


async def test_loaded_models_answer_while_the_hub_does_not(spawn: Any, dial: Any, tmp_path: Path) -> None:
    accepted: list[asyncio.StreamWriter] = []

    async def silent(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        accepted.append(writer)

    hub = await asyncio.start_server(silent, "127.0.0.1", 0)
    process = spawn(
        BABELSCOPE_PRELOAD="tiny",
        BABELSCOPE_HUB="true",
        BABELSCOPE_HUB_CACHE=str(tmp_path / "hub"),
        HF_ENDPOINT=f"http://127.0.0.1:{hub.sockets[0].getsockname()[1]}",
        no_proxy="127.0.0.1",
    )
    stub = dial(await process.ready())
    reference = await encode(stub, spec(), texts(*sentences(20)))
    asking = [
        asyncio.ensure_future(stub.GetModel(encoder_pb2.GetModelRequest(model=model_pb2.ModelRef(name=f"org/m{n}"))))
        for n in range(ASKING)
    ]
    async with asyncio.timeout(200):
        while not accepted:  # noqa: ASYNC110 - the hub's client has no other sign
            await asyncio.sleep(0.01)
    for _ in range(5):
        answer = await encode(stub, spec(), texts(*sentences(20)))
        for index, array in reference.arrays.items():
            np.testing.assert_allclose(answer.arrays[index], array, atol=1e-5)
    # A local model that is not loaded yet comes as well.
    other = await stub.GetModel(encoder_pb2.GetModelRequest(model=model_pb2.ModelRef(name="other")))
    assert other.layers == 2
    assert not any(task.done() for task in asking)
    for task in asking:
        task.cancel()
    await asyncio.gather(*asking, return_exceptions=True)
    async with grpc.aio.insecure_channel(f"127.0.0.1:{int(process.port_file.read_text())}") as channel:
        answer = await health_pb2_grpc.HealthStub(channel).Check(health_pb2.HealthCheckRequest())
    assert answer.status == health_pb2.HealthCheckResponse.SERVING
    for writer in accepted:
        writer.close()
    hub.close()

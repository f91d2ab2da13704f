"""Texts that a database may not take, in every field of every request, and page tokens that no list has given."""

import asyncio
import json
from base64 import urlsafe_b64encode
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import grpc
import pytest
from babelscope.v1 import trainer_pb2, trainer_pb2_grpc
from google.protobuf.descriptor import FieldDescriptor as Field
from google.protobuf.message import Message

from services.runtime.server import Server
from services.runtime.telemetry import Telemetry
from services.trainer.service import TrainerService
from services.trainer.settings import TrainerSettings
from tests.support import hostile, valid_requests
from tests.support.models import make_root
from tests.support.mutation import Request
from tests.support.refusals import failure

HOSTILE = "a\0b"
FURTHEST = 2**63 - 1
DATASET = "datasets/" + "0" * 64


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A root with small models."""
    return make_root(tmp_path_factory.mktemp("models"))


@pytest.fixture
async def server(url: str, root: Path, tmp_path: Path) -> AsyncIterator[Server]:
    """A trainer in this process that works on no jobs, on each of the databases."""
    settings = TrainerSettings(
        port=0,
        store_url=str(tmp_path / "store"),
        checkpoint_dir=tmp_path / "checkpoints",
        work_dir=tmp_path / "work",
        model_roots=(root,),
        database=url,  # type: ignore[arg-type]
        slots=0,
        hub=False,
        device="cpu",
    )
    telemetry = Telemetry()
    server = Server(TrainerService(settings, telemetry), settings, telemetry)
    await server.start()
    yield server
    await server.drain(0.0)


def _spoilt(message: Any) -> Iterator[Message]:
    """Copies of a message, each with one text in it spoilt, at any depth."""

    def paths(part: Any) -> Iterator[Any]:
        """Changes of a copy that spoil one text each."""
        for field in part.DESCRIPTOR.fields:
            kind = field.message_type
            if kind is not None and kind.GetOptions().map_entry:
                if kind.fields_by_name["key"].cpp_type == Field.CPPTYPE_STRING:
                    value = kind.fields_by_name["value"]
                    if value.cpp_type == Field.CPPTYPE_STRING:
                        yield lambda it, name=field.name: getattr(it, name).update({"a": HOSTILE})
                        yield lambda it, name=field.name: getattr(it, name).update({HOSTILE: "a"})
            elif field.type == Field.TYPE_STRING and field.is_repeated:
                yield lambda it, name=field.name: getattr(it, name).append(HOSTILE)
            elif field.type == Field.TYPE_STRING:
                yield lambda it, name=field.name: setattr(it, name, getattr(it, name) + HOSTILE)
            elif kind is not None and field.is_repeated:
                for place, inner in enumerate(getattr(part, field.name)):
                    for change in paths(inner):
                        yield lambda it, n=field.name, p=place, c=change: c(getattr(it, n)[p])
            elif kind is not None and part.HasField(field.name):
                for change in paths(getattr(part, field.name)):
                    yield lambda it, n=field.name, c=change: c(getattr(it, n))

    for change in paths(message):
        copied = type(message)()
        copied.CopyFrom(message)
        change(copied)
        yield copied


def _requests(job: str) -> list[tuple[str, Request]]:
    valid = [
        *valid_requests.trainer(DATASET, job, job, job),
        *valid_requests.trained(job, "checkpoints/" + "0" * 64, DATASET),
        ("DeleteCheckpoint", [trainer_pb2.DeleteCheckpointRequest(name="checkpoints/" + "0" * 64)]),
    ]
    return [
        (str(spoilt), (method, [spoilt, *messages[1:]]))
        for method, messages in valid
        for spoilt in _spoilt(messages[0])
    ]


async def test_no_text_breaks_the_job_table(server: Server) -> None:
    async with grpc.aio.insecure_channel(f"127.0.0.1:{server.port}") as channel:
        stub: Any = trainer_pb2_grpc.TrainerServiceStub(channel)
        method, [valid] = valid_requests.trainer(DATASET, "", "", "")[0]
        job = await stub.CreateJob(valid)
        await stub.CancelJob(trainer_pb2.CancelJobRequest(name=job.name))
        requests = _requests(job.name)
        assert method == "CreateJob"
        assert len(requests) > 100
        address = f"127.0.0.1:{server.port}"
        assert await asyncio.to_thread(hostile.attack, address, "trainer", requests) == []
        for number in (-(2**31), -1, 0, 2**31 - 1, FURTHEST):
            asked = trainer_pb2.WatchJobRequest(name=job.name, from_event=number)
            told = ("", ("WatchJob", [asked]))
            assert await asyncio.to_thread(hostile.attack, address, "trainer", [told]) == []
        # What was taken all the same can be listed and cancelled.
        listed = (await stub.ListJobs(trainer_pb2.ListJobsRequest(page_size=1000))).jobs
        for each in listed:
            await stub.CancelJob(trainer_pb2.CancelJobRequest(name=each.name))


async def test_page_tokens_that_no_list_has_given(server: Server) -> None:
    parts = [
        ("nan", "a"),
        ("inf", "a"),
        ("-inf", "a"),
        ("1e999", "a"),
        ("1.0", "a\0"),
        ("1.0",),
        ("x", "a"),
        ("1.0", "a", "b"),
    ]
    async with grpc.aio.insecure_channel(f"127.0.0.1:{server.port}") as channel:
        stub: Any = trainer_pb2_grpc.TrainerServiceStub(channel)
        for method, ask in (
            (stub.ListJobs, trainer_pb2.ListJobsRequest),
            (stub.ListCheckpoints, trainer_pb2.ListCheckpointsRequest),
            (stub.ListTasks, trainer_pb2.ListTasksRequest),
        ):
            wrong = parts if method is not stub.ListTasks else parts[-1:]
            for token in [urlsafe_b64encode(json.dumps(each).encode()).decode() for each in wrong]:
                found = await failure(method(ask(page_token=token)))
                assert (found.code, [*found.fields]) == (grpc.StatusCode.INVALID_ARGUMENT, ["page_token"])

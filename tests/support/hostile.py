"""A mesh under attack: sends requests to its servers, and tells of those that broke something."""

import base64
import json
from collections.abc import Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final

import babelscope
import grpc
from babelscope.v1 import (
    datagen_pb2,
    datagen_pb2_grpc,
    encoder_pb2,
    encoder_pb2_grpc,
    metrics_pb2,
    metrics_pb2_grpc,
    trainer_pb2,
    trainer_pb2_grpc,
)
from google.protobuf.message_factory import GetMessageClass

from tests.support import valid_requests
from tests.support.mutation import Request
from tests.support.planted_training import Planted, plant
from tests.support.refusals import CHANNEL

SERVICES: Final = ("datagen", "encoder", "metrics", "trainer")
STUBS: Final[dict[str, Any]] = {
    "datagen": datagen_pb2_grpc.DatagenServiceStub,
    "encoder": encoder_pb2_grpc.EncoderServiceStub,
    "metrics": metrics_pb2_grpc.MetricsServiceStub,
    "trainer": trainer_pb2_grpc.TrainerServiceStub,
}
METHODS: Final[dict[str, Any]] = {
    method.name: method
    for file in (datagen_pb2, encoder_pb2, metrics_pb2, trainer_pb2)
    for service in file.DESCRIPTOR.services_by_name.values()
    for method in service.methods
}
BROKEN: Final = {
    grpc.StatusCode.INTERNAL,
    grpc.StatusCode.UNKNOWN,
    grpc.StatusCode.UNAVAILABLE,
    grpc.StatusCode.DATA_LOSS,
    grpc.StatusCode.DEADLINE_EXCEEDED,
}
"""What no request may be answered: a crash, a fault of the server, or no answer at all."""
AT_ONCE: Final = 8
SECONDS: Final = 60.0
"""After so many a request has no answer."""


@dataclass(frozen=True)
class Broken:
    """A request that broke something."""

    label: str
    method: str
    code: str
    details: str


@contextmanager
def mesh(folder: Path, root: Path, env: Mapping[str, str] | None = None) -> Iterator[babelscope.LocalMesh]:
    """Servers of all services on loopback, with small models and no hub. The trainer enters jobs and runs none.

    Args:
        folder: Folder of the store.
        root: Folder of models.
        env: Further variables of the servers.
    """
    env = {"BABELSCOPE_HUB": "false", "BABELSCOPE_SLOTS": "0", "BABELSCOPE_MAX_JOBS": "1000000", **(env or {})}
    with babelscope.local(SERVICES, store=folder / "store", model_roots=[root], env=env, threads=1) as running:
        yield running


def valid(running: babelscope.LocalMesh) -> dict[str, list[Request]]:
    """Valid requests of all services, for objects that are made in the mesh first."""
    requests = valid_requests.datagen()
    with grpc.insecure_channel(running.datagen.address) as channel:
        dataset = send(STUBS["datagen"](channel), requests[0])[0].name
    kept = next(each for each in valid_requests.metrics() if each[0] == "Compare" and each[1][0].spec.keep_state)
    with grpc.insecure_channel(running.metrics.address) as channel:
        answers = send(STUBS["metrics"](channel), kept)
    state = next(answer.report.state for answer in answers if answer.WhichOneof("message") == "report")
    with grpc.insecure_channel(running.trainer.address) as channel:
        cancelled = [_cancelled_job(STUBS["trainer"](channel), dataset) for _ in range(3)]
    planted = _planted(running)
    return {
        "datagen": valid_requests.datagen(dataset),
        "encoder": valid_requests.encoder(),
        "metrics": valid_requests.metrics(state),
        "trainer": [
            *valid_requests.trainer(dataset, *cancelled),
            *valid_requests.trained(planted.job, planted.checkpoint, dataset),
        ],
    }


def _planted(running: babelscope.LocalMesh) -> Planted:
    """What a job has left in the mesh's trainer, which runs none."""
    store = running.logs["trainer"].parent.parent
    with TemporaryDirectory() as folder:
        return plant(str(store), f"sqlite:///{store / 'trainer' / 'jobs.db'}", Path(folder))


def _cancelled_job(stub: Any, dataset: str) -> str:
    """The name of a new job that was cancelled."""
    job = send(stub, valid_requests.trainer(dataset, "", "", "")[0])[0].name
    send(stub, ("CancelJob", [trainer_pb2.CancelJobRequest(name=job)]))
    return str(job)


def send(stub: Any, request: Request, seconds: float = SECONDS) -> list[Any]:
    """Sends a request and reads all of its answer.

    By the synchronous client: the other one shows failures of its own in place of statuses (grpc issue 36066).
    """
    name, messages = request
    method = METHODS[name]
    if not method.client_streaming and len(messages) != 1:
        return []
    call = getattr(stub, name)(iter(messages) if method.client_streaming else messages[0], timeout=seconds)
    return list(call) if method.server_streaming else [call]


def attack(
    address: str, service: str, requests: Iterable[tuple[str, Request]], seconds: float = SECONDS
) -> list[Broken]:
    """Sends requests, a few at once, and returns those that broke something."""
    with grpc.insecure_channel(address, options=CHANNEL) as channel, ThreadPoolExecutor(AT_ONCE) as pool:
        stub = STUBS[service](channel)

        def one(labelled: tuple[str, Request]) -> Broken | None:
            label, request = labelled
            try:
                send(stub, request, seconds)
            except grpc.RpcError as error:
                if error.code() in BROKEN:
                    return Broken(label, request[0], error.code().name, (error.details() or "")[:500])
            return None

        return [broken for broken in pool.map(one, requests) if broken is not None]


def dump(request: Request) -> str:
    """A request as a line of a corpus."""
    return json.dumps([request[0], *(base64.b64encode(each.SerializeToString()).decode() for each in request[1])])


def read(line: str) -> Request:
    """A request from a line of a corpus."""
    name, *parts = json.loads(line)
    kind = GetMessageClass(METHODS[name].input_type)
    return name, [kind.FromString(base64.b64decode(part)) for part in parts]

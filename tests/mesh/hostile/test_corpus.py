"""Mutated requests that are kept, sent to real servers: no crash, no fault, no request without an answer.

`corpus/SERVICE.jsonl` holds a few hundred of those that `tests/soak/test_mutations.py` makes, among them all that ever
broke something; a line is a method and its messages in base64.
"""

from collections.abc import Iterator
from pathlib import Path

import babelscope
import pytest

from tests.support import hostile
from tests.support.models import make_root

CORPUS = Path(__file__).parent / "corpus"


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[babelscope.LocalMesh]:
    folder = tmp_path_factory.mktemp("hostile")
    with hostile.mesh(folder, make_root(folder / "models")) as mesh:
        yield mesh


@pytest.mark.parametrize("service", hostile.SERVICES)
def test_kept_requests_break_nothing(service: str, running: babelscope.LocalMesh) -> None:
    lines = (CORPUS / f"{service}.jsonl").read_text(encoding="utf-8").splitlines()
    assert len(lines) >= 100
    pid = running.pids[service]
    requests = ((f"line {number}", hostile.read(line)) for number, line in enumerate(lines, start=1))
    found = hostile.attack(getattr(running, service).address, service, requests)
    assert not found
    assert running.pids[service] == pid


def test_what_the_mutated_requests_start_from_is_valid(running: babelscope.LocalMesh) -> None:
    """Otherwise they would be refused at the door."""
    for service, requests in hostile.valid(running).items():
        with hostile.grpc.insecure_channel(getattr(running, service).address) as channel:
            stub = hostile.STUBS[service](channel)
            for request in requests:
                assert hostile.send(stub, request), request

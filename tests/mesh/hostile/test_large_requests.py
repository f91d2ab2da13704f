"""A few requests as large as a message may be; `tests/soak/test_large_requests.py` sends all of them."""

import random
from collections.abc import Iterator

import babelscope
import pytest

from tests.support import hostile
from tests.support.heartbeat import Heartbeat
from tests.support.inflation import inflated
from tests.support.models import make_root
from tests.support.yardstick import yardstick

HEALTH_SECONDS = 10.0
"""Beyond what a healthy busy server takes at the same time; more than the second that the soak test holds, as many
tests share a machine."""
SENT = 3
TRIED = ("metrics", "trainer")


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[babelscope.LocalMesh]:
    folder = tmp_path_factory.mktemp("large")
    with hostile.mesh(folder, make_root(folder / "models")) as mesh:
        yield mesh


@pytest.mark.parametrize(
    "service", [pytest.param(name, marks=() if name in TRIED else pytest.mark.soak) for name in hostile.SERVICES]
)
def test_health_answers_while_large_requests_are_read(service: str, running: babelscope.LocalMesh) -> None:
    every = list(inflated(hostile.valid(running)[service]))
    address = getattr(running, service).address
    with yardstick() as steady, Heartbeat(address) as heartbeat, Heartbeat(steady) as machine:
        broken = hostile.attack(address, service, random.Random(0).sample(every, SENT), 10.0)
    assert not [each for each in broken if each.code != "DEADLINE_EXCEEDED"]
    assert not heartbeat.failed
    assert heartbeat.slowest < machine.slowest + HEALTH_SECONDS

"""Every method with each text and list as large as a message may be: health answers within a second throughout."""

from pathlib import Path

import pytest

from tests.support import hostile
from tests.support.heartbeat import Heartbeat
from tests.support.inflation import inflated
from tests.support.models import make_root

HEALTH_SECONDS = 1.0
ASKED_SECONDS = 10.0
"""After so many a client leaves; what it asked for may go on for a while."""

pytestmark = [pytest.mark.soak, pytest.mark.timeout(3600)]


@pytest.mark.parametrize("service", hostile.SERVICES)
def test_health_answers_whatever_is_asked(service: str, tmp_path: Path) -> None:
    with hostile.mesh(tmp_path, make_root(tmp_path / "models")) as running:
        requests = inflated(hostile.valid(running)[service])
        address = getattr(running, service).address
        slow: dict[str, float] = {}
        with Heartbeat(address) as heartbeat:
            for label, request in requests:
                heartbeat.reset()
                broken = hostile.attack(address, service, [(label, request)], ASKED_SECONDS)
                assert not [each for each in broken if each.code != "DEADLINE_EXCEEDED"], broken
                if (seconds := heartbeat.reset()) > HEALTH_SECONDS:
                    slow[label] = round(seconds, 2)
        assert not slow
        assert not heartbeat.failed

"""10,000 mutated requests a service, from valid ones: no crash, no fault, no request without an answer.

SOAK_MUTATIONS sets their number, SOAK_SEED the first seed. A request that broke something is printed as a line for
`tests/mesh/hostile/corpus`, which every run of the tests replays.
"""

import os
from pathlib import Path

import pytest

from tests.support import hostile
from tests.support.models import make_root
from tests.support.mutation import mutated

MUTATIONS = int(os.environ.get("SOAK_MUTATIONS", "10000"))
SEED = int(os.environ.get("SOAK_SEED", "0"))

pytestmark = [pytest.mark.soak, pytest.mark.timeout(120 + MUTATIONS)]


@pytest.mark.parametrize("service", hostile.SERVICES)
def test_mutated_requests_break_nothing(service: str, tmp_path: Path) -> None:
    root = make_root(tmp_path / "models")
    with hostile.mesh(tmp_path, root) as running:
        valid = hostile.valid(running)[service]
        pid = running.pids[service]
        requests = ((str(seed), mutated(valid, seed)) for seed in range(SEED, SEED + MUTATIONS))
        found = hostile.attack(getattr(running, service).address, service, requests)
        assert running.pids[service] == pid
        lines = [f"{each}\n{hostile.dump(mutated(valid, int(each.label)))}" for each in found]
        assert not found, "\n".join(lines)

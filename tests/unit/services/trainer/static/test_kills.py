"""A real process, killed while it trains static vectors: the run ends with the bits of an undisturbed one."""

import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from services.trainer.training.events import Checkpointed, Event
from tests.support import static_process
from tests.support.forking import Forks, forking

MODULES = ("tests.support.static_process", "gensim.models")


@pytest.fixture(scope="module")
def forks(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Forks]:
    """Processes that are killed: those of another interpreter than the test's, whose sets have another order."""
    with forking(tmp_path_factory.mktemp("forks"), *MODULES) as made:
        yield made


def _killed_at(forks: Forks, folder: Path, kind: str, portions: int) -> list[int]:
    """Portions after each state of a process that is killed once it has told of so many."""
    process = forks.start(folder, kind)
    told = []
    for line in process.stdout:
        told.append(int(line))
        if told[-1] >= portions:
            break
    process.kill()
    told += [int(line) for line in process.stdout if line.endswith("\n")]
    assert process.end() == -signal.SIGKILL
    return told


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["glove", "word2vec"])
def test_a_killed_process_goes_on_bit_for_bit(
    forks: Forks, kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for (module, name), value in static_process.PARTS.items():
        monkeypatch.setattr(module, name, value)
    events: list[Event] = []
    static_process.train(tmp_path / "whole", kind, events.append)
    last = max(event.step for event in events if isinstance(event, Checkpointed))
    assert last % 6 == 0
    assert last > 12  # several portions an epoch
    # Within the first epoch, and within the fourth.
    first = _killed_at(forks, tmp_path / "killed", kind, 2)
    second = _killed_at(forks, tmp_path / "killed", kind, last // 2 + 1)
    rest = forks.start(tmp_path / "killed", kind).rest()
    third = [int(step) for step in rest.split()[:-1]]
    # Each process goes on from the last state of the one before, and no portion is passed over.
    assert max(first) <= second[0] <= max(first) + 1
    assert max(second) <= third[0] <= max(second) + 1
    assert sorted({*first, *second, *third}) == list(range(1, last + 1))
    for path in (tmp_path / "whole" / "static").iterdir():
        assert path.read_bytes() == (tmp_path / "killed" / "static" / path.name).read_bytes(), path.name
    left = {path.name for path in (tmp_path / "killed").iterdir()}
    assert left == {path.name for path in (tmp_path / "whole").iterdir()}

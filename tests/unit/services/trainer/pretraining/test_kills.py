"""A real process, killed while it pretrains: the run ends with the bits of an undisturbed one."""

import signal
from pathlib import Path

import pytest

from services.trainer.training.events import Event, Progressed
from tests.support import pretrain_process
from tests.support.forking import forking


def _undisturbed(folder: Path) -> dict[str, str]:
    """Losses by step of a run in this process, whose sets have another order."""
    losses: dict[str, str] = {}

    def report(event: Event) -> None:
        if isinstance(event, Progressed):
            losses[str(event.step)] = event.loss.hex()

    pretrain_process.train(folder, report)
    return losses


@pytest.mark.slow
def test_a_killed_process_goes_on_bit_for_bit(tmp_path: Path) -> None:
    expected = _undisturbed(tmp_path / "whole")
    with forking(tmp_path, "tests.support.pretrain_process") as forks:
        process = forks.start(tmp_path / "killed")
        told = []
        for line in process.stdout:
            told.append(line)
            # In the middle of the second of three epochs.
            if line != "over\n" and int(line.split()[0]) >= len(expected) // 2:
                break
        process.kill()
        told += [line for line in process.stdout if line.endswith("\n")]
        assert process.end() in (-signal.SIGKILL, 0)  # it may be over by then
        rest = forks.start(tmp_path / "killed").rest()
    pairs = [line.split() for line in (*told, *rest.splitlines()) if line.strip() != "over"]
    assert dict(pairs) == expected
    assert all(expected[step] == loss for step, loss in pairs)
    [ours, theirs] = (max((tmp_path / name / "run").glob("state-*")) for name in ("killed", "whole"))
    assert (ours / "state.json").read_text() == (theirs / "state.json").read_text()
    for best in (tmp_path / "whole" / "run").glob("best-*"):
        found = tmp_path / "killed" / "run" / best.name / "model.safetensors"
        if found.parent.is_dir():
            assert found.read_bytes() == (best / "model.safetensors").read_bytes()

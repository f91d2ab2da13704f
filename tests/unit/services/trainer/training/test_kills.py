"""Real processes, killed while they train, evaluate and write: the run ends with the bits of an undisturbed one."""

import random
import signal
import time
from pathlib import Path

import pytest

from services.trainer.training.events import Event, Progressed
from tests.support import fit_process
from tests.support.forking import forking
from tests.support.golden_model import build

KILLS = 2


def _told(lines: list[str]) -> dict[int, str]:
    """Losses by step; a step that was done twice must have been done the same way."""
    losses: dict[int, str] = {}
    for line in lines:
        if line.count(" ") == 2 and line.endswith("\n"):
            step, _, loss = line.split()
            assert losses.setdefault(int(step), loss) == loss
    return losses


@pytest.mark.slow
def test_a_killed_process_goes_on_bit_for_bit(tmp_path: Path) -> None:
    model = build(tmp_path / "golden")
    expected: list[str] = []

    def report(event: Event) -> None:
        if isinstance(event, Progressed):
            expected.append(f"{fit_process.told(event)}\n")

    # In this process, whose sets have another order.
    fit_process.train(model, tmp_path / "whole", report)
    steps = max(_told(expected))
    with forking(tmp_path, "tests.support.fit_process") as forks:
        moments = random.Random(3)
        lines: list[str] = []
        for kill in range(1, KILLS + 1):
            process = forks.start(model, tmp_path / "killed")
            for line in process.stdout:
                lines.append(line)
                if line != "over\n" and int(line.split()[0]) >= steps * kill // (KILLS + 1):
                    break
            time.sleep(moments.random() * 0.05)
            process.kill()
            lines.extend(process.stdout)
            assert process.end() in (-signal.SIGKILL, 0)  # it may be over by then
        lines.extend(forks.start(model, tmp_path / "killed").rest().splitlines(keepends=True))
    assert _told(lines) == _told(expected)
    for best in (tmp_path / "whole").glob("best-*"):
        for name in ("model.safetensors", "head.safetensors"):
            if (tmp_path / "killed" / best.name).is_dir():
                assert (tmp_path / "killed" / best.name / name).read_bytes() == (best / name).read_bytes()
    [ours, theirs] = (max((tmp_path / name).glob("state-*")) for name in ("killed", "whole"))
    assert ours.name == theirs.name == f"state-{steps:08d}"
    assert (ours / "state.json").read_text() == (theirs / "state.json").read_text()
    assert not list((tmp_path / "killed").glob(".*"))

"""A real process, killed while it trains static vectors: the run ends with the bits of an undisturbed one."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[5]


def _start(folder: Path, kind: str) -> subprocess.Popen[str]:
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": f"{ROOT}{os.pathsep}{ROOT / 'clients'}"}
    return subprocess.Popen(
        [sys.executable, "-m", "tests.support.static_process", str(folder), kind],
        cwd=ROOT, env=environment, stdout=subprocess.PIPE, text=True,
    )  # fmt: skip


def _killed_at(folder: Path, kind: str, portions: int) -> list[int]:
    """Portions after each state of a process that is killed once it has told of so many."""
    process = _start(folder, kind)
    assert process.stdout is not None
    told = []
    for line in process.stdout:
        told.append(int(line))
        if told[-1] >= portions:
            break
    process.kill()
    told += [int(line) for line in process.stdout if line.endswith("\n")]
    process.stdout.close()
    process.wait()
    return told


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["glove", "word2vec"])
def test_a_killed_process_goes_on_bit_for_bit(kind: str, tmp_path: Path) -> None:
    whole, _ = _start(tmp_path / "whole", kind).communicate()
    *steps, over = whole.split()
    last = int(steps[-1])
    assert (over, last % 6) == ("over", 0)
    assert last > 12  # several portions an epoch
    # Within the first epoch, and within the fourth.
    first = _killed_at(tmp_path / "killed", kind, 2)
    second = _killed_at(tmp_path / "killed", kind, last // 2 + 1)
    rest, _ = _start(tmp_path / "killed", kind).communicate()
    third = [int(step) for step in rest.split()[:-1]]
    # Each process goes on from the last state of the one before, and no portion is passed over.
    assert max(first) <= second[0] <= max(first) + 1
    assert max(second) <= third[0] <= max(second) + 1
    assert sorted({*first, *second, *third}) == list(range(1, last + 1))
    for path in (tmp_path / "whole" / "static").iterdir():
        assert path.read_bytes() == (tmp_path / "killed" / "static" / path.name).read_bytes(), path.name
    left = {path.name for path in (tmp_path / "killed").iterdir()}
    assert left == {path.name for path in (tmp_path / "whole").iterdir()}

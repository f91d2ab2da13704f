"""A real process, killed while it pretrains: the run ends with the bits of an undisturbed one."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[5]


def _start(folder: Path) -> subprocess.Popen[str]:
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": f"{ROOT}{os.pathsep}{ROOT / 'clients'}"}
    return subprocess.Popen(
        [sys.executable, "-m", "tests.support.pretrain_process", str(folder)],
        cwd=ROOT, env=environment, stdout=subprocess.PIPE, text=True,
    )  # fmt: skip


@pytest.mark.slow
def test_a_killed_process_goes_on_bit_for_bit(tmp_path: Path) -> None:
    whole, _ = _start(tmp_path / "whole").communicate()
    expected = dict(line.split() for line in whole.splitlines() if line != "over")
    process = _start(tmp_path / "killed")
    assert process.stdout is not None
    told = []
    for line in process.stdout:
        told.append(line)
        # In the middle of the second of three epochs.
        if line != "over\n" and int(line.split()[0]) >= len(expected) // 2:
            break
    process.kill()
    told += [line for line in process.stdout if line.endswith("\n")]
    process.stdout.close()
    process.wait()
    rest, _ = _start(tmp_path / "killed").communicate()
    pairs = [line.split() for line in (*told, *rest.splitlines()) if line.strip() != "over"]
    assert dict(pairs) == expected
    assert all(expected[step] == loss for step, loss in pairs)
    [ours, theirs] = (max((tmp_path / name / "run").glob("state-*")) for name in ("killed", "whole"))
    assert (ours / "state.json").read_text() == (theirs / "state.json").read_text()
    for best in (tmp_path / "whole" / "run").glob("best-*"):
        found = tmp_path / "killed" / "run" / best.name / "model.safetensors"
        if found.parent.is_dir():
            assert found.read_bytes() == (best / "model.safetensors").read_bytes()

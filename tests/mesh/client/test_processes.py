"""Meshes as processes: nothing outlives its parent, and the commands run from end to end."""

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import babelscope
import numpy as np
import pytest
from babelscope import MeshError

from tests.support.numbered_texts import TEXTS

ROOT = Path(__file__).resolve().parents[3]
OFFLINE = {"BABELSCOPE_HUB": "false"}
SCRIPT = """
import sys, babelscope
mesh = babelscope.local(("encoder",), env={"BABELSCOPE_HUB": "false"})
print(mesh.folder, *mesh.pids.values(), flush=True)
sys.stdin.readline()
if sys.argv[1] == "exit":
    sys.exit()
raise RuntimeError("the parent failed")
"""


def _environment(**more: str) -> dict[str, str]:
    path = os.pathsep.join([str(ROOT), str(ROOT / "clients")])
    kept = {name: value for name, value in os.environ.items() if not name.startswith("BABELSCOPE_")}
    return {**kept, "PYTHONPATH": path, **more}


def _await_gone(pids: list[int]) -> None:
    deadline = time.monotonic() + 200
    while any(not _gone(pid) for pid in pids):
        assert time.monotonic() < deadline, f"{pids} outlived their parent"
        time.sleep(0.05)


def _gone(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text(encoding="ascii").rpartition(")")[2].split()[0] == "Z"
    except FileNotFoundError:
        return True


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
@pytest.mark.parametrize("end", ["exit", "raise", "SIGKILL", "SIGTERM", "SIGINT"])
def test_no_server_outlives_its_parent(end: str, tmp_path: Path) -> None:
    command = [sys.executable, "-c", SCRIPT, end]
    pipe = subprocess.PIPE
    env = _environment(TMPDIR=str(tmp_path))  # a killed parent cannot clear up its temporary folder
    with subprocess.Popen(command, env=env, stdin=pipe, stdout=pipe, stderr=pipe, text=True) as parent:
        assert parent.stdout is not None
        folder, *pids = parent.stdout.readline().split()
        servers = [int(pid) for pid in pids]
        assert servers
        assert not any(_gone(pid) for pid in servers)
        if end.startswith("SIG"):
            parent.send_signal(signal.Signals[end])
        parent.communicate("\n" if not end.startswith("SIG") else None, timeout=200)
    _await_gone(servers)
    if end in {"exit", "raise", "SIGINT"}:
        assert not Path(folder).exists(), "the temporary folder stayed behind"


@contextlib.contextmanager
def _ended(process: "subprocess.Popen[str]") -> Iterator[None]:
    """Kills a process that a failed test would otherwise wait for."""
    try:
        yield
    except BaseException:
        process.kill()
        raise


@pytest.mark.slow
@pytest.mark.parametrize("number", [pytest.param(signal.SIGINT, marks=pytest.mark.soak), signal.SIGTERM])
def test_up_prints_its_address_and_stops_when_told(model_root: Path, tmp_path: Path, number: signal.Signals) -> None:
    command = [sys.executable, "-m", "babelscope.cli", "up", "--model-root", str(model_root), "--store", str(tmp_path)]
    env = _environment(**OFFLINE)
    pipe = subprocess.PIPE
    with subprocess.Popen(command, env=env, stdout=pipe, stderr=pipe, text=True) as up, _ended(up):
        assert up.stdout is not None
        address = up.stdout.readline().strip()
        with babelscope.connect(address) as mesh:
            assert [status.state for status in mesh.status()] == ["serving", "serving"]
            assert mesh.encoder.encode(["a text"], model="tiny").array.shape[0] == 1
            status = subprocess.run(
                [sys.executable, "-m", "babelscope.cli", "status", "--mesh", address],
                env=env,
                capture_output=True,
                text=True,
                check=True,
            )
            assert status.stdout.count("serving") == 2
        up.send_signal(number)
        _, told = up.communicate(timeout=200)
    assert up.returncode == 0
    assert told.splitlines()[-1] == "Stopping"
    assert sorted(path.name.partition("-")[0] for path in (tmp_path / "logs").iterdir()) == ["encoder", "metrics"]


def test_encode_from_end_to_end(model_root: Path, tmp_path: Path) -> None:
    source, output = tmp_path / "in.txt", tmp_path / "out.npz"
    source.write_text("\n".join(TEXTS[:30]), encoding="utf-8")
    command = [sys.executable, "-m", "babelscope.cli", "encode", "--model", "tiny", "--layers", "0-2"]
    done = subprocess.run(
        [*command, "--input", str(source), "--output", str(output)],
        env=_environment(BABELSCOPE_MODEL_ROOTS=str(model_root), **OFFLINE),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    with np.load(output) as arrays:
        assert arrays["activations"].shape[:2] == (30, 3)
    assert "30 texts" in done.stderr


def test_a_setting_that_is_wrong_is_shown_from_the_log() -> None:
    with pytest.raises(MeshError, match="The encoder ended before it listened") as caught:
        babelscope.local(("encoder",), env={"BABELSCOPE_TOKEN_BUDGET": "none"})
    assert "BABELSCOPE_TOKEN_BUDGET" in caught.value.log_tail

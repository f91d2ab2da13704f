"""Folders of Ray: those of the living are left alone, those of the dead are swept."""

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from services.trainer.cluster import folders
from services.trainer.cluster.plan import Plan
from services.trainer.driver.protocol import EVENTS_VARIABLE, Assignment

HOLDER = """
import sys
from pathlib import Path
from services.trainer.cluster import folders
folders.hold(Path(sys.argv[1]))
print("held", flush=True)
sys.stdin.read()
"""


@pytest.fixture(autouse=True)
def temporary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The system's folder for temporary files."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    return tmp_path


def test_a_folder_is_swept_when_its_holder_has_died(temporary: Path) -> None:
    folder, new = folders.make(), folders.make()
    other = temporary / "another" / "lock"
    other.parent.mkdir()
    other.touch()
    with subprocess.Popen(
        [sys.executable, "-c", HOLDER, str(folder)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "held\n"
        folders.sweep()
        assert folder.is_dir()
        holder.kill()
        holder.wait()
    folders.sweep()
    assert not folder.exists()
    assert new.is_dir()
    assert other.exists()


def test_an_address_is_there_whole_or_not_at_all() -> None:
    folder = folders.make()
    assert folders.address(folder) is None
    folders.tell_address(folder, "127.0.0.1:6379")
    assert folders.address(folder) == "127.0.0.1:6379"
    folders.remove(folder)
    with pytest.raises(FileNotFoundError):
        folders.address(folder)


@contextmanager
def _held(folder: Path) -> Iterator[subprocess.Popen[str]]:
    """A process that holds a folder."""
    command = [sys.executable, "-c", HOLDER, str(folder)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "held\n"
        yield holder
        holder.kill()


def test_a_folder_lives_as_long_as_its_host() -> None:
    folder = folders.make()
    assert folders.lives(folder)  # its host is about to start
    with _held(folder) as holder:
        assert folders.lives(folder)
        folders.sweep()
        assert folders.lives(folder)
        holder.kill()
        holder.wait()
        assert not folders.lives(folder)
    folders.remove(folder)
    assert not folders.lives(folder)


@pytest.mark.parametrize("removed", [True, False])
def test_a_driver_ends_with_the_ray_that_it_would_join(removed: bool, tmp_path: Path) -> None:
    pytest.importorskip("ray", reason="the extra babelscope[ray]")
    folder = folders.make()
    with _held(folder) as holder:
        # Nobody is there any more, which Ray does not find out for many minutes.
        folders.tell_address(folder, "127.0.0.1:1")
        assignment = Assignment("job", "fine_tune", b"", 1, "", str(tmp_path), 600.0)
        events, told = os.pipe()
        command = ["-m", "services.trainer.cluster.driver", "none:none", Plan(folder=str(folder)).text()]
        with subprocess.Popen(
            [sys.executable, *command],
            stdin=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env={**os.environ, EVENTS_VARIABLE: str(told)},
            pass_fds=(told,),
            start_new_session=True,
        ) as driver:
            os.close(told)
            assert driver.stdin is not None
            driver.stdin.write(assignment.line())
            driver.stdin.flush()
            end = time.monotonic() + 60
            while "_raylet" not in Path(f"/proc/{driver.pid}/maps").read_text():  # it is about to join
                assert time.monotonic() < end
                time.sleep(0.05)
            assert driver.poll() is None
            holder.kill()
            holder.wait()
            if removed:
                folders.remove(folder)
            assert driver.wait(10) == 1
            assert driver.stderr is not None
            assert b"the Ray of this machine has ended" in driver.stderr.read()
        os.close(events)

"""Folders of Ray: those of the living are left alone, those of the dead are swept."""

import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from services.trainer.cluster import folders

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

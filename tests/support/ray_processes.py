"""The Ray of a trainer on this machine, as tests see and kill it."""

import contextlib
import os
import signal
from pathlib import Path
from typing import Any

from services.trainer.cluster.session import members


def parent(pid: int) -> int:
    """The process that started another."""
    return int(Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[1])


def children(trainer: int, module: str) -> list[int]:
    """Processes of a module that a trainer has started and that have not ended."""
    found = []
    for path in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            if module.encode() in (path / "cmdline").read_bytes() and parent(int(path.name)) == trainer:
                found.append(int(path.name))
    return found


class RayOfTrainer:
    """The Ray of a rig's trainer.

    Args:
        temporary: Folder for temporary files.
    """

    def __init__(self, temporary: Path) -> None:
        self.temporary = temporary

    def host(self, trainer: Any) -> int:
        """The process that holds Ray, which leads its session."""
        [found] = children(trainer.pid, "services.trainer.cluster.host")
        return found

    def drivers(self, trainer: Any) -> list[int]:
        """The processes that see jobs through."""
        return children(trainer.pid, "services.trainer.cluster.driver")

    def folders(self) -> list[Path]:
        """Folders of Ray that are there."""
        return list(self.temporary.glob("babelscope-ray-*"))

    def kill(self, session: int, name: str) -> None:
        """Kills a process by its name."""
        [pid] = [pid for pid, each in members(session).items() if each == name]
        os.kill(pid, signal.SIGKILL)

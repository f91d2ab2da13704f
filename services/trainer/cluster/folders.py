"""The temporary folder of a Ray on this machine: logs, sockets, its address, and a lock that its host holds."""

import fcntl
import logging
import os
import shutil
import tempfile
import threading
import time
from pathlib import Path
from typing import Final

log = logging.getLogger(__name__)

_PREFIX: Final = "babelscope-ray-"
_LOCK: Final = "lock"
_ADDRESS: Final = "address"
_POLL_SECONDS: Final = 0.5
_START_SECONDS: Final = 300.0
"""Most seconds that the Ray of this machine takes to start."""


def make() -> Path:
    """A new folder directly below the system's own for temporary files: names of sockets are 107 bytes at most."""
    return Path(tempfile.mkdtemp(prefix=_PREFIX))


def sweep() -> None:
    """Removes the folders of hosts that have died."""
    for lock in Path(tempfile.gettempdir()).glob(f"{_PREFIX}*/{_LOCK}"):
        try:
            handle = os.open(lock, os.O_RDWR)
        except OSError:
            continue  # another user's, or gone
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            continue
        else:
            remove(lock.parent)
        finally:
            os.close(handle)


def hold(folder: Path) -> None:
    """Locks a folder for as long as this process lives, so that nobody takes it for a dead host's."""
    # The lock gets its name when it is held: what `sweep` finds is held, or was.
    unnamed = folder / f".{_LOCK}"
    fcntl.flock(os.open(unnamed, os.O_RDWR | os.O_CREAT, 0o600), fcntl.LOCK_EX)
    unnamed.rename(folder / _LOCK)


def lives(folder: Path) -> bool:
    """Whether a folder's Ray has not ended: its host holds the lock, or is about to."""
    try:
        handle = os.open(folder / _LOCK, os.O_RDWR)
    except FileNotFoundError:
        return folder.is_dir()
    try:
        fcntl.flock(handle, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    else:
        return False
    finally:
        os.close(handle)


def end_with(folder: Path) -> None:
    """From now on, this process ends with code 1 when the folder's Ray does.

    What would join a Ray that is gone may wait for many minutes.
    """
    threading.Thread(target=_end_with, args=(folder,), daemon=True, name="ray-watch").start()


def _end_with(folder: Path) -> None:
    while lives(folder):
        time.sleep(_POLL_SECONDS)
    log.error("the Ray of this machine has ended")
    logging.shutdown()
    os._exit(1)


def remove(folder: Path) -> None:
    """Removes a folder whose Ray has ended."""
    shutil.rmtree(folder, ignore_errors=True)


def tell_address(folder: Path, address: str) -> None:
    """Says where the folder's Ray is reached."""
    unnamed = folder / f".{_ADDRESS}"
    unnamed.write_text(address, encoding="utf-8")
    unnamed.rename(folder / _ADDRESS)


def address(folder: Path) -> str | None:
    """Where the folder's Ray is reached; None where it is not ready.

    Raises:
        FileNotFoundError: There is no such folder: its Ray has ended.
    """
    try:
        return (folder / _ADDRESS).read_text("utf-8")
    except FileNotFoundError:
        if not folder.is_dir():
            raise
        return None


def wait_for_address(folder: Path) -> str:
    """Waits until the Ray of this machine is ready.

    Raises:
        FileNotFoundError: It has ended.
        TimeoutError: It takes too long.
    """
    end = time.monotonic() + _START_SECONDS
    while (found := address(folder)) is None:
        if time.monotonic() > end:
            raise TimeoutError(f"Expected Ray to start within {_START_SECONDS:.0f} s")
        time.sleep(_POLL_SECONDS)
    return found

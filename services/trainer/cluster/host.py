"""Ray on this machine: `python -m services.trainer.cluster.host FOLDER CPUS`, started by a trainer.

All that Ray starts stays in this process's session. The session ends as a whole, and its folder goes, when the standard
input ends, which means that the trainer is gone, and when one of Ray's vital processes has died, so that the next job
gets a new Ray and not half of an old one.
"""

import os
import sys
import threading
import time
from pathlib import Path
from typing import Final, NoReturn

from services.trainer.cluster import folders
from services.trainer.cluster.session import kill_session, lives, members

_OBJECT_STORE_BYTES: Final = 80 << 20
"""Memory for Ray's objects. Assignments and reports are small; data and checkpoints do not pass through it."""
_VITAL: Final = frozenset({"gcs_server", "raylet"})
_LOOK_SECONDS: Final = 0.5


def main() -> None:
    """Starts Ray and watches over it."""
    folder, cpus = Path(sys.argv[1]), int(sys.argv[2])
    folders.hold(folder)
    threading.Thread(target=_watch, args=(folder,), daemon=True, name="trainer-watch").start()
    try:
        # In the main thread: Ray's processes are killed by the kernel when the thread that started them ends.
        _serve(folder, cpus)
    finally:
        _end(folder)


def _serve(folder: Path, cpus: int) -> None:
    """Starts Ray, says where it is, and returns when it has died."""
    import ray

    ray.init(
        address="local",
        num_cpus=cpus,
        object_store_memory=_OBJECT_STORE_BYTES,
        include_dashboard=False,
        log_to_driver=False,
        configure_logging=False,
        _temp_dir=str(folder),
    )
    session = os.getsid(0)
    vital = [pid for pid, name in members(session).items() if name in _VITAL]
    folders.tell_address(folder, ray.get_runtime_context().gcs_address)
    while all(lives(session, pid) for pid in vital):
        time.sleep(_LOOK_SECONDS)
    sys.stderr.write("One of Ray's processes died; the next job starts Ray anew.\n")


def _watch(folder: Path) -> None:
    """Ends everything when the trainer is gone."""
    sys.stdin.buffer.read()
    _end(folder)


def _end(folder: Path) -> NoReturn:
    """Ends the session, this process last."""
    kill_session(os.getsid(0))
    folders.remove(folder)
    os._exit(0)


if __name__ == "__main__":
    main()

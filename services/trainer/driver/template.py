"""The process from which jobs are forked: `python -m services.trainer.driver.template SOCKET MODULE...`.

It loads the modules, computes nothing and starts no thread, and then waits for its trainer. For each job the trainer
sends a socket of the job's own. On that one stand the environment, the arguments and three descriptors: standard
input, output, pipe for reports. The template answers with the number of the process and a descriptor of it, and once it
has ended, with its exit code. The trainer closes the socket when it lets go of the process, which is then reaped;
where it still lives, because the trainer is gone, its whole group is killed.

Each process is a fork of this one, and from there on the same as one that started as a new interpreter.
"""

import contextlib
import gc
import importlib
import json
import os
import selectors
import signal
import socket
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from services.trainer.driver import child
from services.trainer.driver.protocol import EVENTS_VARIABLE

_MOST_BYTES: Final = 1 << 16
_DESCRIPTORS: Final = 3


@dataclass
class _Job:
    """A process of which the trainer has not let go.

    Attributes:
        pid: Its number.
        handle: Descriptor of it.
        door: Socket to the trainer; None once it is closed.
        ended: Whether it has ended; it is reaped when the socket is closed.
    """

    pid: int
    handle: int
    door: socket.socket | None
    ended: bool = False


class Template:
    """Forks processes for a trainer.

    Args:
        control: Socket from which the sockets of jobs come.
    """

    def __init__(self, control: socket.socket) -> None:
        self._control = control
        self._selector = selectors.DefaultSelector()
        self._selector.register(control, selectors.EVENT_READ)
        self._jobs: dict[int, _Job] = {}

    def serve(self) -> bool:
        """Forks until the trainer is gone.

        Returns:
            Whether this is a new process, which has everything it needs; the template itself gets False.
        """
        while True:
            for key, _ in self._selector.select():
                if key.fileobj is self._control:
                    _, doors, *_ = socket.recv_fds(self._control, 1, 1)
                    if not doors:
                        return False
                    if self._fork(socket.socket(fileno=doors[0])):
                        return True
                elif isinstance(key.data, _Job):
                    self._look(key.data, key.fd)

    def _fork(self, door: socket.socket) -> bool:
        """Starts a process; whether this is the new one."""
        descriptors: list[int] = []
        try:
            request = _read(door, descriptors)
        except (OSError, ValueError):  # the trainer has given it up
            door.close()
            _close(descriptors)
            return False
        here, there = socket.socketpair()
        pid = os.fork()
        if pid == 0:
            here.close()
            self._leave(door)
            _become(request, descriptors)
            _wait_for_word(there)
            return True
        there.close()
        _close(descriptors)
        job = _Job(pid, os.pidfd_open(pid), door)
        self._jobs[pid] = job
        self._selector.register(job.handle, selectors.EVENT_READ, job)
        self._selector.register(door, selectors.EVENT_READ, job)
        with here, contextlib.suppress(OSError):  # a trainer that has given it up is seen when its socket is read
            here.recv(1)  # from here on, the group is that of the new process
            socket.send_fds(door, [b"%d" % pid], [job.handle])
            here.send(b".")
        return False

    def _look(self, job: _Job, ready: int) -> None:
        """Sees to a process that has ended, or of which the trainer has let go."""
        if ready == job.handle and not job.ended:
            found = os.waitid(os.P_PIDFD, job.handle, os.WEXITED | os.WNOHANG | os.WNOWAIT)
            if found is None:
                return
            job.ended = True
            self._selector.unregister(job.handle)
            if job.door is not None:
                code = found.si_status if found.si_code == os.CLD_EXITED else -found.si_status
                with contextlib.suppress(OSError):
                    job.door.send(b"%d" % code)
        elif job.door is not None and ready == job.door.fileno():
            self._selector.unregister(job.door)
            job.door.close()
            job.door = None
            with contextlib.suppress(ProcessLookupError):
                os.killpg(job.pid, signal.SIGKILL)
        if job.ended and job.door is None and self._jobs.get(job.pid) is job:
            os.waitid(os.P_PIDFD, job.handle, os.WEXITED)
            os.close(job.handle)
            del self._jobs[job.pid]

    def _leave(self, door: socket.socket) -> None:
        """Closes, in a new process, what is the template's alone."""
        self._selector.close()
        self._control.close()
        door.close()
        for each in self._jobs.values():
            os.close(each.handle)
            if each.door is not None:
                each.door.close()


def _close(descriptors: Sequence[int]) -> None:
    for each in descriptors:
        os.close(each)


def _read(door: socket.socket, descriptors: list[int]) -> Mapping[str, object]:
    """What a process is to be: a line, with which the descriptors come."""
    line, found, *_ = socket.recv_fds(door, _MOST_BYTES, _DESCRIPTORS)
    descriptors += found
    while line and not line.endswith(b"\n"):
        more = door.recv(_MOST_BYTES)
        line = line + more if more else b""
    if len(descriptors) != _DESCRIPTORS:
        raise ValueError(f"Expected {_DESCRIPTORS} descriptors, but got {len(descriptors)}")
    read: Mapping[str, object] = json.loads(line)
    return read


def _become(request: Mapping[str, object], descriptors: Sequence[int]) -> None:
    """Turns this process into what a new interpreter would be."""
    os.setsid()
    told, output, events = descriptors
    for number, place in ((told, 0), (output, 1), (output, 2)):
        os.dup2(number, place)
    _close([told, output])
    os.set_inheritable(events, False)
    os.environ.clear()
    os.environ.update({**dict(request["env"]), EVENTS_VARIABLE: str(events)})  # type: ignore[call-overload]
    sys.argv[:] = [str(child.__file__), *request["arguments"]]  # type: ignore[misc]
    # A new interpreter would draw other numbers than its siblings. Python's own generator is seeded anew by itself.
    if numpy := sys.modules.get("numpy"):
        numpy.random.seed()
    if torch := sys.modules.get("torch"):
        torch.default_generator.seed()


def _wait_for_word(template: socket.socket) -> None:
    """Goes on once the trainer has been told of this process; one that nobody knows of ends."""
    with template, contextlib.suppress(OSError):
        template.send(b".")
        if template.recv(1):
            return
    os._exit(1)


def main() -> None:
    """Loads, and forks until the trainer is gone."""
    control = socket.socket(fileno=int(sys.argv[1]))
    for name in sys.argv[2:]:
        importlib.import_module(name)
    gc.collect()
    gc.freeze()  # what is never looked at again stays shared with the forks
    if Template(control).serve():
        child.main()


if __name__ == "__main__":
    main()

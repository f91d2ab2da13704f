"""Kinds of jobs for tests. `count` keeps its state as a real job does, and ends with a digest of its whole course."""

import hashlib
import json
import logging
import os
import random
import signal
import subprocess
import sys
import threading
import time
from dataclasses import replace
from pathlib import Path
from typing import Final

from services.runtime.errors import FailedPrecondition
from services.trainer.driver.child import Channel
from services.trainer.driver.protocol import Assignment, Report

LOST: Final = "CUDA error: an illegal memory access was encountered"
"""What PyTorch says of a device that computes no more in its process."""


def expected(steps: int) -> bytes:
    """What an undisturbed `count` ends with."""
    digest = b"start"
    for step in range(1, steps + 1):
        digest = hashlib.sha256(digest + b"%d" % step).digest()
    return digest.hex().encode()


def count(assignment: Assignment, channel: Channel) -> bytes:
    """Steps of a hash chain, with the state kept after each one; told of in the order of the steps."""
    steps, seconds = json.loads(assignment.spec)
    path = Path(assignment.workdir) / "state.json"
    state = json.loads(path.read_text()) if path.exists() else {"step": 0, "digest": b"start".hex()}
    while state["step"] < steps:
        step = state["step"] + 1
        digest = hashlib.sha256(bytes.fromhex(state["digest"]) + b"%d" % step).digest()
        time.sleep(seconds)
        state = {"step": step, "digest": digest.hex()}
        temporary = path.with_suffix(f".{os.getpid()}")
        temporary.write_text(json.dumps(state))
        temporary.replace(path)
        note = ("note", b"%d" % step)
        channel.tell(Report(progress=step / steps, figures={"step": float(step)}, events=(note,), saved=step))
    return str(state["digest"]).encode()


def with_children(assignment: Assignment, channel: Channel) -> bytes:
    """Starts processes of its own, names them, and waits for ever."""
    children = [subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"]) for _ in range(2)]
    channel.tell(Report(events=(("note", ",".join(str(child.pid) for child in children).encode()),)))
    time.sleep(600)
    return b""


def stubborn(assignment: Assignment, channel: Channel) -> bytes:
    """Does not listen to SIGTERM."""
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    channel.tell(Report(events=(("note", b"deaf"),)))
    time.sleep(600)
    return b""


def refused(assignment: Assignment, channel: Channel) -> bytes:
    """Fails with words of its own."""
    raise FailedPrecondition("the task", "its labels differ")


def broken(assignment: Assignment, channel: Channel) -> bytes:
    """Fails with an error that nobody expected."""
    raise ZeroDivisionError("by design")


def needs(assignment: Assignment, channel: Channel) -> bytes:
    """Fails unless a file is there."""
    [flag] = json.loads(assignment.spec)
    if not Path(flag).exists():
        raise FailedPrecondition("the job", "the flag is not there")
    return b"there"


def loses(assignment: Assignment, channel: Channel) -> bytes:
    """Loses its device unless a file is there."""
    [flag] = json.loads(assignment.spec)
    if not Path(flag).exists():
        raise FailedPrecondition("the model", "it computes nothing") from RuntimeError(LOST)
    return b"found"


def stumbles(assignment: Assignment, channel: Channel) -> bytes:
    """As `count`, but fails half way unless a file is there."""
    steps, seconds, flag = json.loads(assignment.spec)
    if not Path(flag).exists():
        count(replace(assignment, spec=json.dumps([steps // 2, seconds]).encode()), channel)
        raise FailedPrecondition("the job", "the flag is not there")
    return count(replace(assignment, spec=json.dumps([steps, seconds]).encode()), channel)


def whose(assignment: Assignment, channel: Channel) -> bytes:
    """Which process does it, and where its output goes."""
    return f"{os.getpid()} {Path('/proc/self/fd/1').readlink()}".encode()


def surroundings(assignment: Assignment, channel: Channel) -> bytes:
    """What a process has from its start, and the bits of what it computes."""
    import numpy as np
    import torch

    unseeded = [random.random(), np.random.rand(), torch.rand(1).item()]
    torch.manual_seed(1)
    status = dict(line.split(":", 1) for line in Path("/proc/self/status").read_text().splitlines())
    links = {int(each.name): _target(each) for each in Path("/proc/self/fd").iterdir()}
    places = {path: path.replace(assignment.workdir, "work").partition(":")[0] for path in links.values() if path}
    drawn = torch.randn(64, 64)
    found = {
        "environment": dict(os.environ),
        "arguments": sys.argv,
        "folder": str(Path.cwd()),
        "path": sys.path,
        "output": [links[1], links[2]],
        "descriptors": sorted(places[path] for path in links.values() if path),
        "leads": [os.getsid(0) == os.getpid(), os.getpgrp() == os.getpid()],
        "signals": {name: status[name].strip() for name in ("SigBlk", "SigIgn", "SigCgt", "ShdPnd")},
        "threads": [torch.get_num_threads(), torch.get_num_interop_threads(), status["Cpus_allowed"].strip()],
        "main": threading.main_thread() is threading.current_thread(),
        "umask": status["Umask"].strip(),
        "logging": [logging.getLogger().level, len(logging.getLogger().handlers)],
        "unseeded": unseeded,
        "denormal": 5e-324 + 0.0 > 0.0,
        "computed": hashlib.sha256((drawn @ drawn.T).softmax(-1).numpy().tobytes()).hexdigest(),
    }
    return json.dumps(found).encode()


def _target(link: Path) -> str:
    """Where a link leads; nothing where it is gone, as that of the listing itself is."""
    try:
        return str(link.readlink())
    except FileNotFoundError:
        return ""


def leaves(assignment: Assignment, channel: Channel) -> bytes:
    """Ends its own process with an exit code."""
    os._exit(json.loads(assignment.spec))


def deadly(assignment: Assignment, channel: Channel) -> bytes:
    """Kills its own process, every time."""
    sys.stdout.write("last words\n")
    sys.stdout.flush()
    os.kill(os.getpid(), signal.SIGKILL)
    return b""

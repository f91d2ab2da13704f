"""Two ways to do one thing, measured side by side: time in alternating rounds, memory in processes of their own."""

import multiprocessing
import statistics
import time
from collections.abc import Callable
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

PAUSE = 0.06
"""Seconds between rounds: idle threads of one BLAS spin for a while and would slow another down."""


def alternate(ours: Callable[[], Any], theirs: Callable[[], Any], rounds: int) -> tuple[float, float]:
    """The median ratio of neighbouring rounds, ours over theirs, and the median seconds of ours."""
    kept = []
    for number in range(rounds + 1):
        seconds = []
        for work in (ours, theirs) if number % 2 else (theirs, ours):
            time.sleep(PAUSE)
            began = time.perf_counter()
            work()
            seconds.append(time.perf_counter() - began)
        if number:  # the first round warms up
            kept.append(seconds if number % 2 else seconds[::-1])
    return statistics.median(a / b for a, b in kept), statistics.median(a for a, _ in kept)


def peak_bytes(prepare: Callable[..., Callable[[], Any]], *arguments: Any) -> int:
    """By how much the resident memory of a fresh process grows at most while it works; Linux only.

    Args:
        prepare: A function of a module; makes the input and returns the work. The work is done once small before.
        arguments: Of `prepare`.
    """
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe(duplex=False)
    process = context.Process(target=_measure, args=(theirs, prepare, arguments))
    process.start()
    theirs.close()
    try:
        return int(ours.recv())
    finally:
        process.join()


def _measure(pipe: Connection, prepare: Callable[..., Callable[[], Any]], arguments: tuple[Any, ...]) -> None:
    work = prepare(*arguments)
    Path("/proc/self/clear_refs").write_text("5")  # the peak starts anew
    before = _status("VmRSS")
    work()
    pipe.send(_status("VmHWM") - before)
    pipe.close()


def _status(name: str) -> int:
    for line in Path("/proc/self/status").read_text().split("\n"):
        if line.startswith(f"{name}:"):
            return int(line.split()[1]) << 10
    raise LookupError(f"Expected {name} in /proc/self/status")

"""What a command tells its user beside its result: notes, progress, and errors, all on the standard error."""

import logging
import sys
import time
from collections.abc import Callable, Hashable
from types import TracebackType
from typing import Final, Self

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, TaskID, TextColumn, TimeRemainingColumn
from rich.progress import Progress as Bar

from babelscope.data.activations import Progress

_LINE_SECONDS: Final = 5.0
"""Shortest time between two lines of progress."""
_SILENCE_SECONDS: Final = 30.0
"""Time after which a line that says nothing new shows that the work goes on."""


def note(text: str) -> None:
    """Says something in one line."""
    sys.stderr.write(f"{' '.join(text.split())}\n")
    sys.stderr.flush()


def complain(text: str) -> None:
    """Says in one line what went wrong."""
    note(f"babelscope: {text}")


class _Notes(logging.Handler):
    """Shows log records as notes."""

    def emit(self, record: logging.LogRecord) -> None:
        """Shows a record."""
        note(self.format(record))


def tell_of_retries() -> None:
    """Shows when the library waits for a server, so that a wait is not taken for work."""
    logger = logging.getLogger("babelscope")
    if not any(isinstance(handler, _Notes) for handler in logger.handlers):
        logger.addHandler(_Notes())
        logger.setLevel(logging.INFO)
        logger.propagate = False


class LinePace:
    """Decides when a line of progress is due where there is no terminal: the same is not said again and again.

    Args:
        clock: Seconds from any time on.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._said: Hashable = None
        self._last = clock()

    def due(self, state: Hashable, *, final: bool = False) -> bool:
        """Whether to say how far the work is; if so, it counts as said.

        Args:
            state: Stage and counts. What the last line said is due again after half a minute, anything else after a
                few seconds.
            final: Whether the counts are the last of the stage, which are said at once.
        """
        now, new = self._clock(), state != self._said
        waited = now - self._last
        if not (new and final) and waited < (_LINE_SECONDS if new else _SILENCE_SECONDS):
            return False
        self._said, self._last = state, now
        return True


class ProgressReport:
    """Shows progress: bars on a terminal, a plain line now and then elsewhere. Its `update` is a progress callback.

    Args:
        label: What the work is.
        pace: When lines are due.
    """

    def __init__(self, label: str, pace: LinePace | None = None) -> None:
        self._label = label
        self._console = Console(stderr=True)
        self._bar: Bar | None = None
        self._tasks: dict[str, TaskID] = {}
        self._views: dict[str, Progress] = {}
        self._pace = pace or LinePace()
        if self._console.is_terminal:
            columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
            self._bar = Bar(*columns, console=self._console, transient=True)

    def update(self, progress: Progress) -> None:
        """Shows how far the work is."""
        if progress.stage == "encode" and progress.detail:
            progress = self._sum(progress)
        if self._bar is not None:
            task = self._tasks.get(progress.stage)
            if task is None:
                task = self._tasks[progress.stage] = self._bar.add_task("", total=None)
            text = f"{self._label}: {progress.stage} {progress.detail}".rstrip()
            self._bar.update(task, description=text, completed=progress.done, total=progress.total or None)
        elif self._pace.due((progress.stage, progress.done, progress.total)):
            of = f" of {progress.total}" if progress.total else ""
            note(f"{self._label}: {progress.stage} {progress.done}{of} {progress.detail}")

    def _sum(self, progress: Progress) -> Progress:
        """The progress of all views together, where each tells its own."""
        self._views[progress.detail] = progress
        done = sum(view.done for view in self._views.values())
        known = all(view.total for view in self._views.values())
        total = sum(view.total for view in self._views.values()) if known else 0
        return Progress(progress.stage, done, total, progress.detail)

    def __enter__(self) -> Self:
        if self._bar is not None:
            self._bar.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._bar is not None:
            self._bar.stop()

"""What a command tells its user beside its result: notes, progress, and errors, all on the standard error."""

import logging
import sys
import time
from types import TracebackType
from typing import Final, Self

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, TaskID, TextColumn, TimeRemainingColumn
from rich.progress import Progress as Bar

from babelscope.data.activations import Progress

_LINE_SECONDS: Final = 5.0


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


class ProgressReport:
    """Shows progress: bars on a terminal, a plain line now and then elsewhere. Its `update` is a progress callback.

    Args:
        label: What the work is.
    """

    def __init__(self, label: str) -> None:
        self._label = label
        self._console = Console(stderr=True)
        self._bar: Bar | None = None
        self._tasks: dict[str, TaskID] = {}
        self._views: dict[str, Progress] = {}
        self._last_line = time.monotonic()
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
        elif time.monotonic() - self._last_line >= _LINE_SECONDS:
            self._last_line = time.monotonic()
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

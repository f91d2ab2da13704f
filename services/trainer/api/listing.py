"""Lists of which single rows may be damaged: those are left out, counted and logged, and harm no other row."""

import logging
from collections.abc import Callable, Sequence
from typing import Any, Protocol, TypeVar

from services.runtime.errors import DataLoss

log = logging.getLogger(__name__)


class _Row(Protocol):
    @property
    def id(self) -> str:
        """Id of the row."""


Row = TypeVar("Row", bound=_Row)


class Damaged:
    """The rows that could not be read when they were last listed."""

    def __init__(self) -> None:
        self._ids: set[str] = set()

    @property
    def count(self) -> int:
        """How many there are."""
        return len(self._ids)

    def found(self, name: str, problem: object) -> None:
        """Notes a damaged row, with a line in the log for the first time.

        Args:
            name: Its id.
            problem: What is wrong with it.
        """
        if name not in self._ids:
            log.warning("damaged row skipped", extra={"row": name, "problem": str(problem)[:500]})
        self._ids.add(name)

    def whole(self, rows: Sequence[Row], write: Callable[[Row], Any]) -> list[Any]:
        """The messages of all rows that can be written as one.

        Args:
            rows: Rows.
            write: A row to its message; raises DataLoss where the row is damaged.
        """
        messages = []
        for row in rows:
            try:
                messages.append(write(row))
            except DataLoss as error:
                self.found(row.id, error)
            else:
                self._ids.discard(row.id)
        return messages

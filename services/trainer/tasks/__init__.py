"""Tasks: one file each, one line in the registry."""

import difflib
from collections.abc import Mapping

from services.runtime.errors import InvalidArgument
from services.trainer.tasks.base import Task
from services.trainer.tasks.ner import Ner
from services.trainer.tasks.nli import Nli
from services.trainer.tasks.parsing import Parsing
from services.trainer.tasks.pos import Pos
from services.trainer.tasks.qa import Qa

TASKS: dict[str, type[Task]] = {task.name: task for task in (Ner, Nli, Parsing, Pos, Qa)}
"""Tasks by name."""


def make_task(name: str, options: Mapping[str, str]) -> Task:
    """A task with its options.

    Raises:
        InvalidArgument: There is no such task or option, or an option's value is wrong.
    """
    if name not in TASKS:
        nearby = difflib.get_close_matches(name, TASKS, n=1)
        hint = f"; did you mean {nearby[0]!r}?" if nearby else ""
        raise InvalidArgument("task", f"Expected one of {', '.join(TASKS)}, but got {name!r}{hint}")
    kind = TASKS[name]
    for option in options:
        if option not in kind.options:
            known = ", ".join(kind.options) or "none"
            raise InvalidArgument(f"options.{option}", f"Expected options of {name} among {known}, but got {option!r}")
    return kind(options)


__all__ = ["TASKS", "Task", "make_task"]

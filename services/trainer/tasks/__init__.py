"""Tasks: one file each, one line in the registry."""

from collections.abc import Mapping

from services.runtime.options import OptionInfo, Place, describe, read
from services.runtime.suggestions import unknown
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
        raise unknown("task", "a task", name, tuple(TASKS))
    kind = TASKS[name]
    return kind(read(kind.Options, options, Place("options", name)))


def describe_options(name: str) -> tuple[OptionInfo, ...]:
    """The options of a task."""
    return describe(TASKS[name].Options)


__all__ = ["TASKS", "Task", "describe_options", "make_task"]

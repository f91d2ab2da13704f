"""Fine-tuning over a grid of layers drawn anew, tasks, sources, seeds and hyper-parameters.

Muller et al. 2021, section 4.1, tables 1, 2 and 5 to 8; every setting is one job of a sweep of the trainer.
"""

from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from babelscope.data.jobs.sweep import SweepFigure
from babelscope.data.models import Model
from babelscope.study.design import Study
from babelscope.study.jobs.ends import going_on, succeeded
from babelscope.study.jobs.grids import KEYS, SweepGrid, enter_sweep, grid
from babelscope.study.nodes import Node
from babelscope.study.plan import step_key
from babelscope.study.result import ModelUse
from babelscope.study.sections.base import Asked, Cells, Found, Section, Services, ShowProgress, Task


@dataclass(frozen=True, slots=True)
class Swept:
    """A figure of a sweep.

    Attributes:
        model: Name of the model that the jobs start from.
        figure: The figure.
    """

    model: str
    figure: SweepFigure


def read(node: Node, study: Study) -> SweepGrid:
    """The section of a study file."""
    return grid(node, node.mapping(*KEYS), study.languages)


def plan(design: SweepGrid, asked: Asked) -> list[Task]:
    """A sweep for every model."""
    for use in asked.models:
        for label, layers in design.groups_of(use.layers).items():
            asked.check_layers(f"fine_tuning.random_init.{label}", layers, use)
    return [_task(design, use) for use in asked.models]


def _task(design: SweepGrid, use: ModelUse) -> Task:
    def depends(found: Found) -> dict[str, Any]:
        del found
        return {"model": [use.used, use.revision, use.digest], "grid": design.depends()}

    def ask(mesh: Services, found: Found, show: ShowProgress | None) -> Sequence[Swept]:
        # The same request after a break is the same sweep, whose jobs have gone on meanwhile.
        request_id = f"study-{step_key('fine_tuning', depends(found))}"
        job = enter_sweep(design, Model(use.used, use.revision), mesh, request_id=request_id)
        name = going_on(mesh, job).name
        done = succeeded(mesh, name, f"`fine_tuning` of model {use.used}", "fine-tune", show)
        return [Swept(use.used, figure) for figure in done.sweep]

    return Task(f"fine-tuning on {', '.join(each.task for each in design.tasks)}, {use.used}", depends, ask)


def cells(swept: Swept) -> Iterable[Cells]:
    """Lines for the mean, its difference to the model as it is, and its gap."""
    return swept.figure.rows(swept.model)


def main_figures(records: Iterable[Swept], **wanted: Any) -> list[Swept]:
    """The main figures on test sets at the best setting, of those whose fields have some values."""
    return [
        each
        for each in records
        if each.figure.main
        and (each.figure.part, each.figure.selection) == ("eval", "best")
        and wanted.items() <= {**asdict(each.figure), "model": each.model}.items()
    ]


SECTION = Section("fine_tuning", Swept, read, plan, cells)

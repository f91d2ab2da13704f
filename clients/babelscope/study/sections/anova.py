"""One-way analysis of variance of figures that the study brings (Hsu et al. 2019, section 2.3.2)."""

import statistics
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from babelscope.data.statistics import Anova
from babelscope.errors import StudyError
from babelscope.study.design import Study
from babelscope.study.nodes import Node
from babelscope.study.paths import corpus_path
from babelscope.study.sections.base import Asked, Cells, Found, Section, Services, ShowProgress, Task
from babelscope.study.sections.tabular import read_table
from babelscope.study.values import get, need, number, one_or_more


@dataclass(frozen=True, slots=True)
class AnovaDesign:
    """What is asked.

    Attributes:
        name: What the numbers are.
        factor: What divides them.
        groups: Numbers by group.
        cite: Source of the numbers; empty where not said.
    """

    name: str
    factor: str
    groups: Mapping[str, tuple[float, ...]]
    cite: str = ""


@dataclass(frozen=True, slots=True)
class FigureGroup:
    """One group: its numbers, their mean and standard deviation (0 for one number)."""

    name: str
    values: tuple[float, ...]
    mean: float
    sd: float


@dataclass(frozen=True, slots=True)
class Analysis:
    """One analysis.

    Attributes:
        name: What the numbers are.
        factor: What divides them.
        cite: Source of the numbers.
        groups: The groups.
        f: F statistic.
        p_value: p-value.
        df_between: Degrees of freedom between groups.
        df_within: Degrees of freedom within groups.
        eta_squared: Share of the variance between the groups of this sample.
        omega_squared: The same for the population, without bias.
        signature: All settings behind the numbers, in one line.
    """

    name: str
    factor: str
    cite: str
    groups: tuple[FigureGroup, ...]
    f: float
    p_value: float
    df_between: int
    df_within: int
    eta_squared: float
    omega_squared: float
    signature: str


def read(node: Node, study: Study) -> tuple[AnovaDesign, ...]:
    """The section of a study file: one source of numbers, or a list; a table gives an analysis a factor."""
    del study
    return tuple(design for designs in one_or_more(node, _read) for design in designs)


def _read(node: Node) -> tuple[AnovaDesign, ...]:
    keys = node.mapping("name", "groups", "factor", "table", "value", "factors", "cite")
    if ("groups" in keys) == ("table" in keys):
        node.fail("either the key groups or the key table", sorted(keys))
    name = need(node, keys, "name").text()
    cite = get(keys, "cite", Node.text, "")
    if "groups" in keys:
        entries = keys["groups"].entries()
        groups = {key: tuple(number(item) for item in entry.items()) for key, entry in entries.items()}
        return (_checked(keys["groups"], AnovaDesign(name, need(node, keys, "factor").text(), groups, cite)),)
    value = need(node, keys, "value").text()
    factors = need(node, keys, "factors").unique(Node.text)
    table = read_table(corpus_path(keys["table"], ""), (value, *factors))
    designs = []
    for factor in factors:
        grouped: dict[str, list[float]] = {}
        for at, row in enumerate(table.rows):
            grouped.setdefault(row[factor], []).append(table.number(at, value))
        found = {key: tuple(values) for key, values in grouped.items()}
        designs.append(_checked(keys["table"], AnovaDesign(name, factor, found, cite)))
    return tuple(designs)


def _checked(node: Node, design: AnovaDesign) -> AnovaDesign:
    total = sum(map(len, design.groups.values()))
    if len(design.groups) < 2 or total <= len(design.groups):
        node.fail(
            f"at least two groups by {design.factor}, and more numbers than groups",
            f"{len(design.groups)} groups of {total} numbers",
        )
    return design


def plan(designs: tuple[AnovaDesign, ...], asked: Asked) -> list[Task]:
    """A request for every factor."""
    del asked
    return [_task(design) for design in designs]


def _task(design: AnovaDesign) -> Task:
    def depends(found: Found) -> dict[str, Any]:
        del found
        return {"name": design.name, "factor": design.factor, "cite": design.cite, "groups": dict(design.groups)}

    def ask(mesh: Services, found: Found, show: ShowProgress | None) -> Sequence[Analysis]:
        del found, show
        answer: Anova = mesh.metrics.anova(design.groups)
        if not abs(answer.f) < float("inf"):
            raise StudyError(
                f"Expected `anova` of {design.name} by {design.factor} to be finite, but got F = {answer.f}"
            )
        groups = tuple(
            FigureGroup(name, values, statistics.fmean(values), statistics.stdev(values) if len(values) > 1 else 0.0)
            for name, values in design.groups.items()
        )
        return [
            Analysis(
                design.name, design.factor, design.cite, groups, answer.f, answer.p_value, answer.df_between,
                answer.df_within, answer.eta_squared, answer.omega_squared, answer.signature,
            )
        ]  # fmt: skip

    return Task(f"variance of {design.name} by {design.factor}", depends, ask)


def cells(analysis: Analysis) -> Iterable[Cells]:
    """A line for F with its p-value, and one for each effect size."""
    n = analysis.df_between + analysis.df_within + 1
    for metric, value, p_value in (
        ("f", analysis.f, analysis.p_value),
        ("eta_squared", analysis.eta_squared, ""),
        ("omega_squared", analysis.omega_squared, ""),
    ):
        yield {
            "kind": "anova", "metric": metric, "estimator": f"{analysis.name} by {analysis.factor}", "value": value,
            "n": n, "signature": analysis.signature, "p_value": p_value,
        }  # fmt: skip


SECTION = Section("anova", Analysis, read, plan, cells)

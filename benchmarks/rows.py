"""One figure of a benchmark."""

from typing import TypedDict


class Row(TypedDict):
    """A figure, what it is measured against, and its goal.

    `met` is None where the figure has no goal.
    """

    bench: str
    figure: str
    value: float
    unit: str
    against: str
    goal: str
    met: bool | None


def row(
    bench: str,
    figure: str,
    value: float,
    unit: str,
    *,
    against: str = "",
    at_least: float | None = None,
    at_most: float | None = None,
) -> Row:
    """Builds a figure and holds it against its goal, if it has one."""
    goal, met = "", None
    if at_least is not None:
        goal, met = f">= {at_least:g}", value >= at_least
    elif at_most is not None:
        goal, met = f"<= {at_most:g}", value <= at_most
    return Row(bench=bench, figure=figure, value=value, unit=unit, against=against, goal=goal, met=met)

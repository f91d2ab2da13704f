"""What a part of the report is: how the records of a study's section are shown."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from html import escape
from typing import Any

from babelscope.report.drawing import Drawing
from babelscope.report.findings import Finding
from babelscope.report.guide import Guide
from babelscope.study.result import StudyResult
from babelscope.study.sections import Section


@dataclass(frozen=True, slots=True)
class Part:
    """A part of the page; only a study that asked for its section has it.

    Attributes:
        section: The section of the study whose records it shows.
        title: Its heading.
        markup: Its HTML under the heading, from records and result: figures, captions, tables.
        guides: How to read its numbers, each with the chance level that this study found, as (guide, chance).
        payload: What its script draws, as JSON values; None where it needs no script.
        script: Name of the script among the assets; empty where it needs none.
        drawings: Its static figures; None for none.
        findings: What it adds to what was found, in sentences; None for nothing.
    """

    section: Section
    title: str
    markup: Callable[[Sequence[Any], StudyResult], str]
    guides: Callable[[Sequence[Any]], Sequence[tuple[Guide, str]]]
    payload: Callable[[Sequence[Any], StudyResult], Any] | None = None
    script: str = ""
    drawings: Callable[[Sequence[Any], StudyResult], Sequence[Drawing]] | None = None
    findings: Callable[[Sequence[Any], StudyResult], Sequence[Finding]] | None = None


def figure(name: str, heading: str, lead: str, description: str, *, menus: str = "", caption: str = "") -> str:
    """A figure that a script draws, with its menus, its caption and its numbers as a table.

    Args:
        name: Id of the plot.
        heading: What it shows.
        lead: How to look at it.
        description: What it is, for those who cannot see it.
        menus: HTML of its menus.
        caption: Id of the element that the script fills; a plain caption where it holds a blank.
    """
    said = f'<figcaption id="{caption}"></figcaption>' if caption and " " not in caption else ""
    plain = f"<figcaption>{escape(caption)}</figcaption>" if " " in caption else ""
    return (
        f"<h3>{escape(heading)}</h3>"
        f'<p class="lead">{escape(lead)}</p>'
        f'<div class="inline">{menus}</div>'
        f'<div id="{name}" class="plot" role="img" aria-label="{escape(description)}; its numbers follow as a table">'
        "</div>"
        f"{said}{plain}"
        f'<details data-table="{name}"><summary>The numbers of this figure</summary></details>'
    )


def menu(name: str, label: str) -> str:
    """A menu that the script fills."""
    return f'<label>{escape(label)} <select id="{name}"></select></label>'


def interval(value: float, low: float, high: float, digits: int = 3) -> str:
    """A number with its interval: `0.62 [0.51, 0.70]`."""
    return f"{value:.{digits}f} [{low:.{digits}f}, {high:.{digits}f}]".replace("-", "−")


def span(values: Iterable[float], digits: int, unit: str = "") -> str:
    """From the least to the greatest: `0.001 to 0.004`, or one of them where they look the same."""
    listed = list(values)
    low, high = (f"{each:.{digits}f}{unit}".replace("-", "−") for each in (min(listed), max(listed)))
    return low if low == high else f"{low} to {high}"


def p_text(p_value: float) -> str:
    """A p-value as a reader sees it: `0.013`, `< 0.001`."""
    return "< 0.001" if p_value < 0.001 else f"{p_value:.3f}"

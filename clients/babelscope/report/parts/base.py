"""What a part of the report is: how the records of a study's section are shown."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
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
        guides: Guides to its numbers, each with the chance level that this study found, as (guide, chance).
        content: What its template shows besides figures, as plain data; None for nothing.
        payload: What its script draws, as JSON values; None where it needs no script.
        drawings: Its static figures; None for none.
        findings: What it adds to what was found, in sentences; None for nothing.
    """

    section: Section
    title: str
    guides: Callable[[Sequence[Any]], Sequence[tuple[Guide, str]]]
    content: Callable[[Sequence[Any]], Any] | None = None
    payload: Callable[[Sequence[Any], StudyResult], Any] | None = None
    drawings: Callable[[Sequence[Any], StudyResult], Sequence[Drawing]] | None = None
    findings: Callable[[Sequence[Any], StudyResult], Sequence[Finding]] | None = None

    @property
    def template(self) -> str:
        """Its HTML under the heading, among the templates."""
        return f"parts/{self.section.key}.html"

    @property
    def script(self) -> str:
        """Its script among the assets; empty where it needs none."""
        return f"parts/{self.section.key}.js" if self.payload else ""


def interval(value: float, low: float, high: float, digits: int = 3) -> str:
    """A number with its interval: `0.62 [0.51, 0.70]`."""
    return f"{value:.{digits}f} [{low:.{digits}f}, {high:.{digits}f}]".replace("-", "−")


def signed(value: float, digits: int = 2) -> str:
    """A difference with its sign."""
    return f"{value:+.{digits}f}".replace("-", "−")


def span(values: Iterable[float], digits: int, unit: str = "") -> str:
    """From the least to the greatest: `0.001 to 0.004`, or one of them where they look the same."""
    listed = list(values)
    low, high = (f"{each:.{digits}f}{unit}".replace("-", "−") for each in (min(listed), max(listed)))
    return low if low == high else f"{low} to {high}"


def p_text(p_value: float) -> str:
    """A p-value as a reader sees it: `0.013`, `< 0.001`."""
    return "< 0.001" if p_value < 0.001 else f"{p_value:.3f}"

"""The report: `report.html`, one file that asks nothing of any network, and `figures/` as SVG."""

import base64
import hashlib
import re
from collections.abc import Sequence
from importlib.resources import files
from pathlib import Path
from typing import Any, Final

from babelscope.data.atomic import write_atomically
from babelscope.report import sections
from babelscope.report.figures import write_figures
from babelscope.report.findings import Finding
from babelscope.report.numbers import Numbers
from babelscope.report.parts import PARTS, Part
from babelscope.report.payload import payload
from babelscope.report.provenance import provenance
from babelscope.report.templates import render_template
from babelscope.study.provenance import code_version
from babelscope.study.result import StudyResult

PAGE: Final = "report.html"
FIGURES: Final = "figures"

# The modules of the page's script: what all figures share, the figures by layer, and what starts the page. Those of the
# parts stand before the last.
SHARED: Final = ("data.js", "dom.js", "style.js", "plot.js", "tables.js", "menus.js")
LAYERS: Final = tuple(
    f"layers/{name}.js"
    for name in ("series", "traces", "similarity", "languages", "pairs", "random_init", "retrieval", "controls")
)
START: Final = "boot.js"
_IMPORT: Final = re.compile(r"^import [^;]*;\n", re.MULTILINE)
_EXPORT: Final = re.compile(r"^export (?=const |function )", re.MULTILINE)


def write_report(result: StudyResult, folder: Path) -> Path:
    """Writes `report.html` and the figures of a result into a folder, and gives the page's path.

    Raises:
        ImportError: Jinja2, Plotly or Matplotlib is not installed (extra `report`).
    """
    page = folder / PAGE
    write_atomically(page, render(result))
    write_figures(result, folder / FIGURES)
    return page


def render(result: StudyResult) -> str:
    """The page as text.

    Its policy lets the browser run the two scripts below, known by their digests, and ask for nothing: no script,
    style, image, font or connection from anywhere else.

    Raises:
        ImportError: Jinja2 or Plotly is not installed (extra `report`).
    """
    from plotly.offline import get_plotlyjs

    numbers = Numbers(result)
    shown = [(part, records) for part in PARTS if (records := part.section.records(result))]
    plotly, script = _inert(get_plotlyjs()), _inert(_script([part for part, _ in shown]))
    return render_template(
        "page.html",
        result=result,
        policy=f"default-src 'none'; script-src {_digest(plotly)} {_digest(script)}; style-src 'unsafe-inline'; "
        "img-src data: blob:; base-uri 'none'; form-action 'none'",
        version=code_version(),
        css=_asset("page.css"),
        deck=sections.deck(result),
        findings=sections.findings(result, numbers, _findings(shown, result)),
        parts=[(part, part.content(records) if part.content else None) for part, records in shown],
        guides=sections.guides(
            numbers, result.models, [each for part, records in shown for each in part.guides(records)]
        ),
        main_tables=sections.tables(result, numbers),
        provenance=provenance(result),
        data=payload(result, numbers, shown),
        plotly=plotly,
        script=script,
    )


def _findings(shown: Sequence[tuple[Part, Sequence[Any]]], result: StudyResult) -> list[Finding]:
    return [each for part, records in shown if part.findings for each in part.findings(records, result)]


def _script(parts: Sequence[Part]) -> str:
    """The page's modules, each after those that it imports, as the body of one function: no import remains."""
    names = [*SHARED, *LAYERS, *(part.script for part in parts if part.script), START]
    body = "".join(_EXPORT.sub("", _IMPORT.sub("", _asset(name))) for name in names)
    return f'(() => {{\n"use strict";\n{body}}})();\n'


def _asset(name: str) -> str:
    return (files("babelscope") / "report" / "assets" / name).read_text(encoding="utf-8")


def _digest(script: str) -> str:
    return f"'sha256-{base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()}'"


def _inert(script: str) -> str:
    # Within a script element only its end tag and a comment's beginning have a meaning for HTML.
    return script.replace("</script", "<\\/script").replace("<!--", "<\\!--")

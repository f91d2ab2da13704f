"""`results.csv`: one tidy table of all numbers."""

import csv
import io
from collections.abc import Iterator
from pathlib import Path

from babelscope.data.atomic import write_atomically
from babelscope.data.comparison import COLUMNS, TIDY_COLUMNS
from babelscope.study.result import Row, StudyResult
from babelscope.study.sections import SECTIONS
from babelscope.study.sections.base import Cells


def write_table(result: StudyResult, path: Path) -> None:
    """Writes the rows in the result's order, then the sections' numbers; a cell is empty where not applicable.

    Floats have all their digits. Centred retrieval has `+centred` behind its estimator.
    """
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(TIDY_COLUMNS)
    for cells in _lines(result):
        writer.writerow([_text(cells.get(column, "")) for column in TIDY_COLUMNS])
    write_atomically(path, text.getvalue())


def _lines(result: StudyResult) -> Iterator[Cells]:
    for row in result.rows:
        yield _cells(row)
    for section in SECTIONS:
        for record in section.records(result):
            yield from section.cells(record)


def _cells(row: Row) -> Cells:
    cells = {name: getattr(row, name) for name in COLUMNS}
    if row.centred:
        cells["estimator"] = f"{row.estimator}+centred"
    return cells


def _text(value: object) -> str:
    return repr(value) if isinstance(value, float) else str(value)

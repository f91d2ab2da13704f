"""`results.csv`: one tidy table of all numbers."""

import csv
import io
from pathlib import Path

from babelscope.comparison import COLUMNS
from babelscope.study.atomic import write_atomically
from babelscope.study.result import Row, StudyResult


def write_table(result: StudyResult, path: Path) -> None:
    """Writes the rows in the result's order; floats with all their digits, a cell empty where not applicable.

    Centred retrieval has `+centred` behind its estimator.
    """
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(COLUMNS)
    writer.writerows(_cells(row) for row in result.rows)
    write_atomically(path, text.getvalue())


def _cells(row: Row) -> list[str]:
    cells = {name: getattr(row, name) for name in COLUMNS}
    if row.centred:
        cells["estimator"] = f"{row.estimator}+centred"
    return [repr(value) if isinstance(value, float) else str(value) for value in cells.values()]

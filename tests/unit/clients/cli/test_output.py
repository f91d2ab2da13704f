"""Files that commands write: whole or not at all, every digit, nothing for None."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from babelscope.cli.output import write_rows

ROWS: list[dict[str, Any]] = [
    {"id": 'a,"b', "x": 0.1 + 0.2, "y": None, "z": 1},
    {"id": "天", "x": 1e-300, "y": "", "z": 2},
]


def test_csv_and_json_hold_every_digit(tmp_path: Path) -> None:
    write_rows(ROWS, ("id", "x", "y"), tmp_path / "rows.csv")
    assert (tmp_path / "rows.csv").read_text() == 'id,x,y\n"a,""b",0.30000000000000004,\n天,1e-300,\n'
    write_rows(iter(ROWS), ("id", "x", "y"), tmp_path / "rows.json")
    assert json.loads((tmp_path / "rows.json").read_text()) == [
        {"id": 'a,"b', "x": 0.30000000000000004, "y": None},
        {"id": "天", "x": 1e-300, "y": ""},
    ]


@pytest.mark.parametrize("ending", ["csv", "json"])
def test_a_failure_leaves_what_was_there(tmp_path: Path, ending: str) -> None:
    path = tmp_path / f"rows.{ending}"
    path.write_text("before")

    def rows() -> Iterator[dict[str, Any]]:
        yield ROWS[0]
        raise RuntimeError("on the way")

    with pytest.raises(RuntimeError):
        write_rows(rows(), ("id", "x"), path)
    assert path.read_text() == "before"
    assert [each.name for each in tmp_path.iterdir()] == [path.name]

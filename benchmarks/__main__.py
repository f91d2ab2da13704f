"""Runs the benchmarks, prints one table and writes benchmarks/results/latest.json.

python -m benchmarks [--quick] [NAME ...]
"""

import argparse
import importlib
import json
import os
import platform
from datetime import UTC, datetime
from pathlib import Path

from rich.console import Console
from rich.table import Table

from benchmarks.rows import Row

BENCHES = (
    "cache",
    "datagen",
    "encoder",
    "general",
    "grammar",
    "graphs",
    "predictions",
    "retrieval",
    "service",
    "similarity",
)
LONG = ("maps", "precision", "runners", "sweeps", "training")
"""Run where they are named: they take half an hour and more, or need data of their own."""
_HELP = f"of {', '.join(BENCHES)} (all of these by default), {', '.join(LONG)}"
RESULTS = Path(__file__).parent / "results" / "latest.json"


def main() -> None:
    """Runs what the command line names; by default all benches but the long ones."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__.split("\n")[0])
    parser.add_argument("names", nargs="*", metavar="NAME", help=_HELP)
    parser.add_argument("--quick", action="store_true", help="fewer and smaller rounds, to see that all runs")
    options = parser.parse_args()
    unknown = set(options.names) - {*BENCHES, *LONG}
    if unknown:
        parser.error(f"Expected names of {', '.join(BENCHES + LONG)}, but got {', '.join(sorted(unknown))}")
    rows: list[Row] = []
    for name in options.names or BENCHES:
        rows += importlib.import_module(f"benchmarks.{name}").run(quick=options.quick)
    _print(rows)
    machine = {"processor": _processor(), "cores": os.cpu_count(), "python": platform.python_version()}
    record = {"date": datetime.now(UTC).isoformat(timespec="seconds"), "machine": machine, "rows": rows}
    RESULTS.parent.mkdir(exist_ok=True)
    RESULTS.write_text(json.dumps(record, indent=1) + "\n", encoding="utf-8")


def _print(rows: list[Row]) -> None:
    table = Table("bench", "figure", "value", "unit", "against", "goal", "met")
    for row in rows:
        met = {True: "yes", False: "NO", None: ""}[row["met"]]
        table.add_row(row["bench"], row["figure"], f"{row['value']:.4g}", row["unit"], row["against"], row["goal"], met)
    Console(width=160).print(table)


def _processor() -> str:
    for line in Path("/proc/cpuinfo").read_text().split("\n") if Path("/proc/cpuinfo").exists() else []:
        if line.startswith("model name"):
            return line.split(":", 1)[1].strip()
    return platform.processor()


if __name__ == "__main__":
    main()

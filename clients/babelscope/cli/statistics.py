"""`babelscope correlate`, `anova` and `compare-systems`: statistics of numbers in tables."""

from collections import Counter
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from babelscope.cli.columns import Columns, read_columns
from babelscope.cli.console import note
from babelscope.cli.options import MeshOptions, with_options
from babelscope.cli.output import Numbers, ResultOptions
from babelscope.data.items import KEYS

FileArgument = Annotated[
    Path, typer.Argument(metavar="FILE", help="Table with a header: CSV, or tab-separated as commands print it.")
]
_CORRELATION = ("method", "value", "low", "high", "p_value", "n", "signature")
_ANOVA = ("f", "p_value", "df_between", "df_within", "eta_squared", "omega_squared", "signature")
_DIFFERENCE = ("column", "difference", "low", "high", "p_value", "n", "signature")


def register(app: typer.Typer) -> None:
    """Adds the commands."""
    app.command("correlate")(correlate)
    app.command("anova")(anova)
    app.command("compare-systems")(compare_systems)


@with_options
def correlate(
    file: FileArgument,
    *,
    x: Annotated[str, typer.Option("--x", metavar="COLUMN", help="First column.")],
    y: Annotated[str, typer.Option("--y", metavar="COLUMN", help="Second column.")],
    method: Annotated[
        list[str] | None,
        typer.Option("--method", help="Coefficient: pearson, spearman or kendall; all if not given. May be repeated."),
    ] = None,
    permutations: Annotated[
        int, typer.Option("--permutations", min=1, help="Number of permutations of the test.")
    ] = 10_000,
    seed: Annotated[int, typer.Option("--seed", help="Seed of the permutations.")] = 0,
    results: ResultOptions,
    mesh: MeshOptions,
) -> None:
    """Correlations of two columns of numbers, with 95 % intervals and permutation p-values."""
    table = read_columns(file)
    first, second = table.numbers(x), table.numbers(y)
    with mesh.open("metrics") as opened:
        found = opened.metrics.correlate(first, second, method or [], permutations=permutations, seed=seed)
    rows = [asdict(each) for each in found.values()]
    between = {"kind": "correlation", "estimator": f"{x} with {y}"}
    tidy = [{**row, **between, "metric": row["method"]} for row in rows]
    results.give(Numbers({"kind": "correlation", "x": x, "y": y, "correlations": rows}, tidy, rows, _CORRELATION))


@with_options
def anova(
    file: FileArgument,
    *,
    value: Annotated[str, typer.Option("--value", metavar="COLUMN", help="Column of numbers.")],
    group: Annotated[
        str, typer.Option("--group", metavar="COLUMN", help="Column with the name of each number's group.")
    ],
    results: ResultOptions,
    mesh: MeshOptions,
) -> None:
    """One-way analysis of variance of a column of numbers by groups, with its effect sizes."""
    table = read_columns(file)
    groups: dict[str, list[float]] = {}
    for name, number in zip(table.texts(group), table.numbers(value), strict=True):
        groups.setdefault(name, []).append(number)
    with mesh.open("metrics") as opened:
        found = opened.metrics.anova(groups)
    row = asdict(found)
    shared = {
        "kind": "anova",
        "estimator": f"{value} by {group}",
        "n": sum(map(len, groups.values())),
        "signature": found.signature,
    }
    tidy = [
        {**shared, "metric": "f", "value": found.f, "p_value": found.p_value},
        {**shared, "metric": "eta_squared", "value": found.eta_squared},
        {**shared, "metric": "omega_squared", "value": found.omega_squared},
    ]
    sizes = {name: len(numbers) for name, numbers in groups.items()}
    record = {"kind": "anova", "value": value, "group": group, "groups": sizes, "anova": row}
    results.give(Numbers(record, tidy, [row], _ANOVA))


@with_options
def compare_systems(
    first: Annotated[
        Path, typer.Argument(metavar="FIRST", help="Table of the first system's scores, one row an item.")
    ],
    second: Annotated[
        Path,
        typer.Argument(metavar="SECOND", help="Table of the second system's scores, of the same items in any order."),
    ],
    *,
    column: Annotated[
        list[str] | None,
        typer.Option("--column", help="Column of scores to compare; all if not given. May be repeated."),
    ] = None,
    resamples: Annotated[int, typer.Option("--resamples", min=1, help="Number of bootstrap samples.")] = 10_000,
    seed: Annotated[int, typer.Option("--seed", help="Seed of the samples.")] = 0,
    results: ResultOptions,
    mesh: MeshOptions,
) -> None:
    """Paired bootstrap between two systems scored on the same items.

    The files are those of `babelscope score --items`: a column `id`, perhaps one `language`, and columns of scores.
    Rows meet by id and language. An item without a score in one of the files is left out, and counted.
    """
    left, right = (read_columns(file, KEYS[:1]) for file in (first, second))
    columns = column or [name for name in left.names if name in right.names and name not in KEYS]
    if not columns:
        raise typer.BadParameter(f"Expected columns of scores that {first} and {second} share, but got none")
    pairs = {name: _paired(left, right, name) for name in columns}
    rows = []
    with mesh.open("metrics") as opened:
        for name, both in pairs.items():
            scored = [(a, b) for a, b in both if a is not None and b is not None]
            if len(scored) < len(both):
                note(f"Beware: {len(both) - len(scored)} of {len(both)} items have no {name} in one of the files")
            ours, theirs = ([pair[side] for pair in scored] for side in (0, 1))
            found = opened.metrics.compare_systems(ours, theirs, resamples=resamples, seed=seed)
            rows.append({"column": name, **asdict(found)})
    between = {"kind": "difference", "source": first.name, "target": second.name}
    tidy = [{**row, **between, "metric": row["column"], "value": row["difference"]} for row in rows]
    record = {"kind": "difference", "first": first.name, "second": second.name, "differences": rows}
    results.give(Numbers(record, tidy, rows, _DIFFERENCE))


def _paired(left: Columns, right: Columns, column: str) -> list[tuple[float | None, float | None]]:
    """The scores of both systems, item by item in the order of the first file."""
    ours, theirs = (dict(zip(_keys(table), table.optional_numbers(column), strict=True)) for table in (left, right))
    for one, other, there in ((ours, theirs, right), (theirs, ours, left)):
        lacking = [key for key in one if key not in other]
        if lacking:
            raise typer.BadParameter(
                f"Expected the same items in {left.file} and {right.file}, but {there.file} lacks {len(lacking)}, such "
                f"as {' '.join(lacking[0]).strip()!r}"
            )
    return [(ours[key], theirs[key]) for key in ours]


def _keys(table: Columns) -> list[tuple[str, str]]:
    """What tells the items of a file apart."""
    languages = table.texts(KEYS[1]) if KEYS[1] in table.names else [""] * len(table.rows)
    keys = list(zip(table.texts(KEYS[0]), languages, strict=True))
    if len(set(keys)) < len(keys):
        twice = next(key for key, count in Counter(keys).items() if count > 1)
        raise typer.BadParameter(f"Expected each id once in {table.file}, but got {' '.join(twice).strip()!r} twice")
    return keys

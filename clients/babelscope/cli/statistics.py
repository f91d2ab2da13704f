"""`babelscope correlate`, `anova` and `compare-systems`: statistics of numbers in tables."""

from collections import Counter
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from babelscope.cli.columns import Columns, read_columns
from babelscope.cli.console import note
from babelscope.cli.options import CaOption, MeshOption, StoreOption, TokenOption, open_mesh
from babelscope.cli.output import TableOption, check_table, show_rows
from babelscope.data.items import KEYS

FileArgument = Annotated[
    Path, typer.Argument(metavar="FILE", help="A table with a header: CSV, or tab-separated as commands print it.")
]
_CORRELATION = ("method", "value", "low", "high", "p_value", "n", "signature")
_ANOVA = ("f", "p_value", "df_between", "df_within", "eta_squared", "omega_squared", "signature")
_DIFFERENCE = ("column", "difference", "low", "high", "p_value", "n", "signature")


def register(app: typer.Typer) -> None:
    """Adds the commands."""
    app.command("correlate")(correlate)
    app.command("anova")(anova)
    app.command("compare-systems")(compare_systems)


def correlate(
    file: FileArgument,
    *,
    x: Annotated[str, typer.Option("--x", metavar="COLUMN", help="First column.")],
    y: Annotated[str, typer.Option("--y", metavar="COLUMN", help="Second column.")],
    method: Annotated[
        list[str] | None, typer.Option("--method", help="pearson, spearman, kendall; all with none. May be repeated.")
    ] = None,
    permutations: Annotated[int, typer.Option("--permutations", min=1, help="Of the test.")] = 10_000,
    seed: Annotated[int, typer.Option("--seed", help="Of the permutations.")] = 0,
    out: TableOption = None,
    mesh: MeshOption = None,
    store: StoreOption = None,
    ca: CaOption = None,
    token: TokenOption = None,
) -> None:
    """Correlations of two columns of numbers, with 95 % intervals and permutation p-values."""
    check_table(out)
    table = read_columns(file)
    first, second = table.numbers(x), table.numbers(y)
    with open_mesh(mesh, ("metrics",), store=store, ca=ca, token=token) as opened:
        found = opened.metrics.correlate(first, second, method or [], permutations=permutations, seed=seed)
    show_rows([asdict(each) for each in found.values()], _CORRELATION, out)


def anova(
    file: FileArgument,
    *,
    value: Annotated[str, typer.Option("--value", metavar="COLUMN", help="The numbers.")],
    group: Annotated[str, typer.Option("--group", metavar="COLUMN", help="The group of each number, by its name.")],
    out: TableOption = None,
    mesh: MeshOption = None,
    store: StoreOption = None,
    ca: CaOption = None,
    token: TokenOption = None,
) -> None:
    """One-way analysis of variance of a column of numbers by groups, with its effect sizes."""
    check_table(out)
    table = read_columns(file)
    groups: dict[str, list[float]] = {}
    for name, number in zip(table.texts(group), table.numbers(value), strict=True):
        groups.setdefault(name, []).append(number)
    with open_mesh(mesh, ("metrics",), store=store, ca=ca, token=token) as opened:
        found = opened.metrics.anova(groups)
    show_rows([asdict(found)], _ANOVA, out)


def compare_systems(
    first: Annotated[Path, typer.Argument(metavar="FIRST", help="The first system's scores, one row an item.")],
    second: Annotated[Path, typer.Argument(metavar="SECOND", help="The second's, of the same items in any order.")],
    *,
    column: Annotated[
        list[str] | None,
        typer.Option("--column", help="Scores to compare; all with none. May be repeated."),
    ] = None,
    resamples: Annotated[int, typer.Option("--resamples", min=1, help="Samples drawn.")] = 10_000,
    seed: Annotated[int, typer.Option("--seed", help="Of the samples.")] = 0,
    out: TableOption = None,
    mesh: MeshOption = None,
    store: StoreOption = None,
    ca: CaOption = None,
    token: TokenOption = None,
) -> None:
    """Paired bootstrap between two systems scored on the same items.

    The files are those of `babelscope score --items`: a column `id`, perhaps one `language`, and columns of scores.
    Rows meet by id and language. An item without a score in one of the files is left out, and counted.
    """
    check_table(out)
    left, right = (read_columns(file, KEYS[:1]) for file in (first, second))
    columns = column or [name for name in left.names if name in right.names and name not in KEYS]
    if not columns:
        raise typer.BadParameter(f"Expected columns of scores that {first} and {second} share, but got none")
    pairs = {name: _paired(left, right, name) for name in columns}
    rows = []
    with open_mesh(mesh, ("metrics",), store=store, ca=ca, token=token) as opened:
        for name, both in pairs.items():
            scored = [(a, b) for a, b in both if a is not None and b is not None]
            if len(scored) < len(both):
                note(f"Beware: {len(both) - len(scored)} of {len(both)} items have no {name} in one of the files")
            ours, theirs = ([pair[side] for pair in scored] for side in (0, 1))
            found = opened.metrics.compare_systems(ours, theirs, resamples=resamples, seed=seed)
            rows.append({"column": name, **asdict(found)})
    show_rows(rows, _DIFFERENCE, out)


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

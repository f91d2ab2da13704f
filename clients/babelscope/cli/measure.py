"""`babelscope compare`: similarity of parallel corpora, and what commands for numbers of views share."""

from pathlib import Path
from typing import Annotated, Any

import typer

from babelscope.calls.views import View
from babelscope.cli.console import ProgressReport, note
from babelscope.cli.options import (
    CaOption,
    DtypeOption,
    FormatOption,
    LayersOption,
    MeshOption,
    ModelOption,
    OverflowOption,
    RandomInitOption,
    RevisionOption,
    SeedOption,
    StoreOption,
    TokenOption,
    one_of,
    open_mesh,
    read_layers,
    read_model,
    read_named,
)
from babelscope.cli.output import print_table, write_comparison
from babelscope.corpora import read_texts
from babelscope.data.comparison import Comparison

ParallelOption = Annotated[
    list[str],
    typer.Option("--parallel", metavar="LANGUAGE=FILE", help="A side of the parallel corpus. At least two."),
]
PoolingOption = Annotated[str, typer.Option("--pooling", callback=one_of("mean", "cls"), help="mean or cls.")]
AlignmentOption = Annotated[
    str,
    typer.Option(
        "--alignment",
        callback=one_of("strict", "intersect"),
        help="strict: all sides have the same ids; intersect: the ids that both sides of a pair have.",
    ),
]
PairingOption = Annotated[
    str,
    typer.Option(
        "--layer-pairing", callback=one_of("same", "all"), help="same layers, or all: every layer with every layer."
    ),
]
OutOption = Annotated[
    Path | None,
    typer.Option("--out", metavar="DIR", help="Folder for results.json and results.csv; a table with none."),
]
KeepOption = Annotated[
    bool, typer.Option("--keep-state", help="Keep the sums in the store, for `merge`; says under what name.")
]
StandardiseOption = Annotated[bool, typer.Option("--standardise", help="Divide each dimension by its spread.")]
DropOption = Annotated[
    int, typer.Option("--drop-top-variance", min=0, help="Dimensions of largest variance to leave out.")
]
_SHOWN = ("metric", "estimator", "source", "target", "layer", "value", "low", "high", "n")


def register(app: typer.Typer) -> None:
    """Adds the command."""
    app.command("compare")(compare)


def compare(
    *,
    model: ModelOption,
    parallel: ParallelOption,
    measure: Annotated[
        list[str] | None,
        typer.Option("--measure", help="cka, cka:biased, svcca, procrustes, ...; cka with none. May be repeated."),
    ] = None,
    format: FormatOption = None,  # noqa: A002
    layers: LayersOption = None,
    pooling: PoolingOption = "mean",
    revision: RevisionOption = "",
    random_init: RandomInitOption = None,
    seed: SeedOption = 0,
    overflow: OverflowOption = "refuse",
    alignment: AlignmentOption = "strict",
    layer_pairing: PairingOption = "same",
    standardise: StandardiseOption = False,
    drop_top_variance: DropOption = 0,
    compute_dtype: DtypeOption = "float32",
    keep_state: KeepOption = False,
    out: OutOption = None,
    mesh: MeshOption = None,
    store: StoreOption = None,
    ca: CaOption = None,
    token: TokenOption = None,
) -> None:
    """Similarity of the languages' representations, layer by layer."""
    if keep_state and mesh is None and store is None:
        raise typer.BadParameter("Expected `--mesh` or `--store` with `--keep-state`, so that the sums stay")
    options: dict[str, Any] = {
        "measures": measure or ["cka"],
        "model": read_model(model, revision, random_init, seed),
        "layers": read_layers(layers),
        "pooling": pooling,
        "overflow": overflow,
        "alignment": alignment,
        "layer_pairing": layer_pairing,
        "standardise": standardise,
        "drop_top_variance": drop_top_variance,
        "keep_state": keep_state,
        "compute_dtype": compute_dtype,
    }
    views = parallel_views(parallel, format)
    with (
        open_mesh(mesh, ("encoder", "metrics"), store=store, ca=ca, token=token) as opened,
        ProgressReport("Comparing") as report,
    ):
        found = opened.metrics.compare(views, progress=report.update, **options)
    show(found, out)


def parallel_views(parallel: list[str], format: str | None) -> dict[str, View]:  # noqa: A002
    """One view a language."""
    files = read_named(parallel, "--parallel")
    if len(files) < 2:
        raise typer.BadParameter(f"Expected --parallel LANGUAGE=FILE at least twice, but got it for {list(files)}")
    return {
        language: View(texts=read_texts(Path(path), format=format, language=language), language=language)
        for language, path in files.items()
    }


def show(found: Comparison, out: Path | None) -> None:
    """Prints the numbers, or writes them; says what was left out and what to beware of."""
    for pair in found.pairs:
        if pair.gold_sources:
            lacking = f"; not {', '.join(pair.examples[:3])}, ..." if pair.examples else ""
            note(
                f"{pair.left} and {pair.right}: {pair.covered_sources} of {pair.gold_sources} sources of the "
                f"dictionary are covered{lacking}"
            )
        if pair.left_only or pair.right_only:
            note(
                f"{pair.left} and {pair.right}: {pair.n} ids used; {pair.left_only} are only in {pair.left}, "
                f"{pair.right_only} only in {pair.right}, such as {', '.join(pair.examples[:3])}"
            )
    for warning in dict.fromkeys(warning for estimate in found.estimates for warning in estimate.warnings):
        note(f"Beware: {warning}")
    if found.state:
        note(f"Kept: {found.state}")
    if out is None:
        print_table(found.table(), _SHOWN)
    else:
        write_comparison(found, out)
        note(f"{len(found.estimates)} numbers: {out / 'results.csv'}, {out / 'results.json'}")

"""`babelscope compare`: similarity of parallel corpora, and what commands for numbers of views share."""

from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated

import typer

from babelscope.calls.measures import Measure
from babelscope.calls.views import View
from babelscope.cli.console import ProgressReport, note
from babelscope.cli.interventions import EditOptions
from babelscope.cli.options import (
    FormatOption,
    MeshOptions,
    ModelOption,
    one_of,
    read_named,
    usage,
    with_options,
)
from babelscope.cli.output import ResultOptions, comparison_numbers
from babelscope.corpora import read_units
from babelscope.data.comparison import Comparison, ViewReport

ParallelOption = Annotated[
    list[str],
    typer.Option("--parallel", metavar="LANGUAGE=FILE", help="One side of the parallel corpus; given at least twice."),
]
MeasureOption = Annotated[
    list[str] | None,
    typer.Option(
        "--measure",
        metavar="NAME[:ESTIMATOR,OPTION=VALUE,...]",
        help="Measure of similarity, such as cka, cka:biased or svcca:variance=0.9; cka if not given. May be repeated. "
        "`babelscope list measures` names all.",
    ),
]
KeepOption = Annotated[
    bool, typer.Option("--keep-state", help="Keep the sums in the store for `merge`, and print their name.")
]
_SHOWN = ("metric", "estimator", "source", "target", "layer", "value", "low", "high", "n")


@dataclass(frozen=True, slots=True)
class PairOptions:
    """How the two sides of a pair meet."""

    alignment: Annotated[
        str,
        typer.Option(
            "--alignment",
            callback=one_of("strict", "intersect"),
            help="Alignment of ids: strict (all sides have the same ids) or intersect (the ids that both sides of a "
            "pair have).",
        ),
    ] = "strict"
    layer_pairing: Annotated[
        str,
        typer.Option(
            "--layer-pairing",
            callback=one_of("same", "all"),
            help="Layers that are compared: same (each with its like) or all (every layer with every layer).",
        ),
    ] = "same"


@dataclass(frozen=True, slots=True)
class TreatmentOptions:
    """What is done to hidden states before they are compared."""

    standardise: Annotated[
        bool, typer.Option("--standardise", help="Divide each dimension by its standard deviation.")
    ] = False
    drop_top_variance: Annotated[
        int, typer.Option("--drop-top-variance", min=0, help="Number of dimensions of largest variance to leave out.")
    ] = 0


def register(app: typer.Typer) -> None:
    """Adds the command."""
    app.command("compare")(compare)


@with_options
def compare(
    *,
    model: ModelOption,
    parallel: ParallelOption,
    measure: MeasureOption = None,
    format: FormatOption = None,  # noqa: A002
    encode: EditOptions,
    pairs: PairOptions,
    treatment: TreatmentOptions,
    keep_state: KeepOption = False,
    results: ResultOptions,
    mesh: MeshOptions,
) -> None:
    """Similarity of the languages' representations, layer by layer."""
    if keep_state and not mesh.lasting:
        raise typer.BadParameter("Expected `--mesh` or `--store` with `--keep-state`, so that the sums stay")
    settings, measures = encode.settings(model), read_measures(measure)
    views = parallel_views(parallel, format, encode)
    with mesh.open("encoder", "metrics", models=[model]) as opened, ProgressReport("Comparing") as report:
        found = opened.metrics.compare(
            views,
            measures=measures,
            keep_state=keep_state,
            progress=report.update,
            **settings,
            **asdict(pairs),
            **asdict(treatment),
        )
    show(found, results)


def read_measures(given: list[str] | None) -> list[Measure]:
    """The measures that the options name."""
    with usage():
        return [Measure.of(each) for each in given or ["cka"]]


def parallel_views(
    parallel: list[str],
    format: str | None,  # noqa: A002
    encode: EditOptions,
) -> dict[str, View]:
    """One view a language."""
    files = read_named(parallel, "--parallel")
    if len(files) < 2:
        raise typer.BadParameter(f"Expected --parallel LANGUAGE=FILE at least twice, but got it for {list(files)}")
    edits = encode.edits(files)
    return {
        language: View(
            texts=read_units(Path(path), encode.pooling, format=format, language=language),
            interventions=edits[language],
            language=language,
        )
        for language, path in files.items()
    }


def tell_views(views: Iterable[ViewReport]) -> None:
    """Says what of the texts was cut or left out."""
    for view in views:
        if view.truncated:
            note(f"{view.name}: {view.truncated} texts were cut to what the model takes")
        if view.empty_rows:
            note(f"{view.name}: {view.empty_rows} words or spans without pieces are left out")


def show(found: Comparison, results: ResultOptions) -> None:
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
    tell_views(found.views)
    for warning in dict.fromkeys(warning for estimate in found.estimates for warning in estimate.warnings):
        note(f"Beware: {warning}")
    if found.state:
        note(f"Kept: {found.state}")
    results.give(comparison_numbers(found, _SHOWN))

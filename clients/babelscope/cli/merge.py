"""`babelscope merge`: the numbers of a corpus from the sums of its shards."""

from dataclasses import asdict
from typing import Annotated

import typer

from babelscope.cli.measure import KeepOption, MeasureOption, TreatmentOptions, read_measures, show
from babelscope.cli.options import MeshOptions, with_options
from babelscope.cli.output import ResultOptions


def register(app: typer.Typer) -> None:
    """Adds the command."""
    app.command("merge")(merge)


@with_options
def merge(
    states: Annotated[
        list[str], typer.Argument(metavar="STATE...", help="Name that `compare --keep-state` printed: moments/ID.json.")
    ],
    *,
    measure: MeasureOption = None,
    treatment: TreatmentOptions,
    keep_state: KeepOption = False,
    results: ResultOptions,
    mesh: MeshOptions,
) -> None:
    """Similarity over a whole corpus, from the sums that its shards left in the store.

    Preprocessing needs shards that were compared with some.
    """
    if not mesh.lasting:
        raise typer.BadParameter("Expected `--mesh` or `--store`, where the states are, but got neither")
    measures = read_measures(measure)
    with mesh.open("metrics") as opened:
        found = opened.metrics.merge(states, measures, keep_state=keep_state, **asdict(treatment))
    show(found, results)

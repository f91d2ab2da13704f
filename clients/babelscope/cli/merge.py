"""`babelscope merge`: the numbers of a corpus from the sums of its shards."""

from typing import Annotated

import typer

from babelscope.cli.measure import DropOption, KeepOption, OutOption, StandardiseOption, show
from babelscope.cli.options import CaOption, MeshOption, StoreOption, TokenOption, open_mesh


def register(app: typer.Typer) -> None:
    """Adds the command."""
    app.command("merge")(merge)


def merge(
    states: Annotated[
        list[str], typer.Argument(metavar="STATE...", help="Names that `compare --keep-state` gave: moments/ID.json.")
    ],
    *,
    measure: Annotated[
        list[str] | None,
        typer.Option("--measure", help="cka, cka:biased, svcca, ...; cka with none. May be repeated."),
    ] = None,
    standardise: StandardiseOption = False,
    drop_top_variance: DropOption = 0,
    keep_state: KeepOption = False,
    out: OutOption = None,
    mesh: MeshOption = None,
    store: StoreOption = None,
    ca: CaOption = None,
    token: TokenOption = None,
) -> None:
    """Similarity over a whole corpus, from the sums that its shards left in the store.

    Preprocessing needs shards that were compared with some.
    """
    if mesh is None and store is None:
        raise typer.BadParameter("Expected `--mesh` or `--store`, where the states are, but got neither")
    with open_mesh(mesh, ("metrics",), store=store, ca=ca, token=token) as opened:
        found = opened.metrics.merge(
            states,
            measure or ["cka"],
            standardise=standardise,
            drop_top_variance=drop_top_variance,
            keep_state=keep_state,
        )
    show(found, out)

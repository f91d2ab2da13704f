"""`babelscope status`: how the servers of a mesh are."""

import typer

from babelscope.cli.options import CaOption, MeshOption, TokenOption, open_mesh
from babelscope.cli.output import print_table


def register(app: typer.Typer) -> None:
    """Adds the command."""
    app.command("status")(status)


def status(mesh: MeshOption = None, ca: CaOption = None, token: TokenOption = None) -> None:
    """How each server of a running mesh is; exit code 1 if one does not serve. With no --mesh: this machine's ports."""
    with open_mesh(mesh or "127.0.0.1", (), ca=ca, token=token) as opened:
        services = opened.status()
        rows = [{"service": each.name, "address": each.address, "state": each.state} for each in services]
        print_table(rows, ("service", "address", "state"))
        if not all(each.serving for each in services):
            raise typer.Exit(1)

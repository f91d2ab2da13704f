"""`babelscope up`: a mesh on this machine, in the foreground."""

import queue
import signal
from pathlib import Path
from typing import Annotated

import typer

from babelscope.cli.console import note
from babelscope.cli.options import StoreOption, read_named
from babelscope.local.mesh import local
from babelscope.transport.services import PORTS, SERVICES, USUAL


def register(app: typer.Typer) -> None:
    """Adds the command."""
    app.command("up")(up)


def up(
    *,
    store: StoreOption = None,
    service: Annotated[
        list[str] | None,
        typer.Option(
            "--service",
            help="Service to start: encoder, metrics, datagen or trainer; the first two if not given. May be repeated.",
        ),
    ] = None,
    model_root: Annotated[
        list[Path] | None, typer.Option("--model-root", help="Folder that holds folders of models. May be repeated.")
    ] = None,
    model: Annotated[
        list[str] | None,
        typer.Option("--alias", metavar="NAME=FOLDER", help="Name for a folder with a model. May be repeated."),
    ] = None,
    threads: Annotated[
        int | None,
        typer.Option("--threads", min=1, help="Number of threads of the encoder and of a job of the trainer."),
    ] = None,
    default_ports: Annotated[
        bool, typer.Option("--default-ports", help="Listen on 50051 to 50054 in place of free ports.")
    ] = False,
) -> None:
    """Run a mesh on this machine until Ctrl-C. The address is printed on the standard output."""
    services = service or list(USUAL)
    unknown = [name for name in services if name not in SERVICES]
    if unknown:
        raise typer.BadParameter(f"Expected --service of {', '.join(SERVICES)}, but got {unknown[0]!r}")
    aliases = read_named(model or (), "--alias")
    # A queue of this kind may be put to by a signal handler while the same thread waits for it; an event may not.
    ends: queue.SimpleQueue[str] = queue.SimpleQueue()
    ready = False

    def ask(*_: object) -> None:
        if not ready:
            raise KeyboardInterrupt
        ends.put("asked")

    before = {number: signal.signal(number, ask) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        note(f"Starting on this machine: {', '.join(services)}")
        with local(
            services,
            store=store,
            model_roots=model_root or (),
            model_aliases=aliases,
            threads=threads,
            ports=PORTS if default_ports else None,
            on_end=lambda: ends.put("ended"),
        ) as mesh:
            ready = True
            typer.echo(mesh.address)
            note(f"Ready. Use it with --mesh {mesh.address} or BABELSCOPE_MESH. Ctrl-C stops it.")
            if ends.get() == "ended":
                mesh.check()
            note("Stopping")
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)

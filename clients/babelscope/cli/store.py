"""`babelscope store usage|prune`: what is in a store, and what nobody needs any more."""

import time
from pathlib import Path
from typing import Annotated, Any, Final

import typer

from babelscope.cli.console import note
from babelscope.cli.options import CaOption, MeshOption, TokenOption, open_mesh
from babelscope.cli.output import print_table
from babelscope.cli.pruning import ExplainOption, OlderThan, YesOption, read_age
from babelscope.store.places import StoredObject, open_place
from babelscope.store.pruning import Verdict, judge, remove
from babelscope.store.references import named_by_files, names_in, references

StoreArgument = Annotated[
    str,
    typer.Option(
        "--store", metavar="URL", envvar="BABELSCOPE_STORE_URL", help="The store: a folder, or s3://bucket/prefix."
    ),
]
_UNASKED: Final = "kept, as no trainer was asked (--mesh, or --no-trainer)"
_NAMED_BY_NO_JOB: Final = ("blobs", "conversions", "graphs", "graph-claims", "graph-weights", "rows")
"""Kinds that only lists of the store name, or that are computed again when they are missing."""
_ENDED: Final = ("succeeded", "failed", "cancelled")


def register(app: typer.Typer) -> None:
    """Adds the commands."""
    group = typer.Typer(no_args_is_help=True, help="The store: its usage, and what can be removed from it.")
    group.command("usage")(usage)
    group.command("prune")(prune)
    app.add_typer(group, name="store")


def usage(store: StoreArgument) -> None:
    """Objects, bytes and ages of a store by kind."""
    objects = list(open_place(store).objects())
    now = time.time()
    rows = [_kind_row(kind, [each for each in objects if each.kind == kind], now) for kind in _kinds(objects)]
    print_table([*rows, _kind_row("all", objects, now)], ("kind", "objects", "bytes", "oldest_days", "newest_days"))


def prune(
    store: StoreArgument,
    *,
    older_than: OlderThan = "30d",
    kind: Annotated[
        list[str] | None, typer.Option("--kind", help="Kind of objects to remove, repeatable; all if not given.")
    ] = None,
    results: Annotated[
        list[Path] | None,
        typer.Option("--results", metavar="PATH", help="Results of studies whose objects are kept, repeatable."),
    ] = None,
    explain: ExplainOption = False,
    yes: YesOption = False,
    no_trainer: Annotated[
        bool, typer.Option("--no-trainer", help="No trainer uses the store: nothing is kept for its jobs.")
    ] = False,
    mesh: MeshOption = None,
    ca: CaOption = None,
    token: TokenOption = None,
) -> None:
    """What is old and named by nothing that is kept; with --yes it is removed.

    What lists name (files of checkpoints, parts of sums), what --results name, and, with --mesh, what the trainer's
    jobs and checkpoints name is kept. A job that waits may name any dataset, map or checkpoint: unless --mesh or
    --no-trainer says what jobs need, all that a job can name is kept.
    """
    if no_trainer and mesh is not None:
        raise typer.BadParameter("Expected --mesh or --no-trainer, but got both")
    before = time.time() - read_age(older_than)
    place = open_place(store)
    objects = list(place.objects())
    unknown = sorted(set(kind or ()) - set(_kinds(objects)))
    if unknown:
        raise typer.BadParameter(f"Expected --kind of {', '.join(_kinds(objects))}, but got {unknown[0]!r}")
    live = dict(named_by_files(results or ()))
    protected: dict[str, str] = {}
    if mesh is None and not no_trainer:
        protected = dict.fromkeys(set(_kinds(objects)) - set(_NAMED_BY_NO_JOB), _UNASKED)
    elif mesh is not None:
        with open_mesh(mesh, ("trainer",), ca=ca, token=token) as opened:
            found, protected = _of_trainer(opened.trainer)
        live |= found
    verdicts = judge(
        objects, references(place, objects), live, before=before, kinds=tuple(kind or ()), protected=protected
    )
    shown = [verdict for verdict in verdicts if verdict.remove or explain]
    if shown:
        print_table([_row(verdict) for verdict in shown], ("name", "bytes", "days", "verdict", "because"))
    chosen = [verdict for verdict in verdicts if verdict.remove]
    done = remove(place, chosen) if yes else chosen
    size = sum(verdict.object.bytes for verdict in done)
    note(f"{len(done)} of {len(objects)} objects, {size} bytes: {'removed' if yes else 'would be removed (--yes)'}")


def _of_trainer(trainer: Any) -> tuple[dict[str, str], dict[str, str]]:
    """What a trainer's jobs and checkpoints name, and kinds that they need whole."""
    live: dict[str, str] = {}
    running = False
    for checkpoint in trainer.list_checkpoints():
        live[checkpoint.name] = f"the trainer's list of checkpoints, made by {checkpoint.job}"
    for job in trainer.list_jobs():
        running = running or job.state not in _ENDED
        for name in names_in(f"{job.spec} {job.checkpoint} {dict(job.files)}".encode()):
            live.setdefault(name, job.name)
    return live, {"states": "kept, as a job is not at its end"} if running else {}


def _kinds(objects: list[StoredObject]) -> list[str]:
    return sorted({each.kind for each in objects})


def _kind_row(kind: str, objects: list[StoredObject], now: float) -> dict[str, object]:
    ages = [(now - each.modified) / 86400 for each in objects]
    return {
        "kind": kind,
        "objects": len(objects),
        "bytes": sum(each.bytes for each in objects),
        "oldest_days": round(max(ages), 1) if ages else "",
        "newest_days": round(min(ages), 1) if ages else "",
    }


def _row(verdict: Verdict) -> dict[str, object]:
    return {
        "name": f"{verdict.object.key}{verdict.object.suffix}",
        "bytes": verdict.object.bytes,
        "days": round((time.time() - verdict.object.modified) / 86400, 1),
        "verdict": "remove" if verdict.remove else "keep",
        "because": verdict.reason,
    }

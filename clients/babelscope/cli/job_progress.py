"""The course of a job on the terminal: a bar with loss, speed and remaining time; plain lines where there is none."""

from collections.abc import Mapping

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

from babelscope.cli.console import LinePace, note
from babelscope.data.jobs import Job, JobEvent
from babelscope.sync.trainer import TrainerClient


def watch(trainer: TrainerClient, name: str, pace: LinePace | None = None) -> Job:
    """Shows the course of a job until it ends.

    Args:
        trainer: The client.
        name: `jobs/ID`.
        pace: When lines are due where there is no terminal.

    Returns:
        The job as it ended.
    """
    console = Console(stderr=True)
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TextColumn("{task.fields[said]}"))
    pace = pace or LinePace()
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as bar:
        task = bar.add_task("queued", total=None, said="")
        for event in trainer.watch_job(name):
            if event.kind == "progress":
                said = _said(event.latest)
                bar.update(task, description=event.stage, completed=event.done, total=event.total or None, said=said)
                counts = (event.stage, event.done, event.total)
                if not console.is_terminal and pace.due(counts, final=event.done == event.total):
                    note(f"{event.stage} {event.done} of {event.total}: {said}" if event.total else event.stage)
            else:
                _tell(event)
    return trainer.get_job(name)


def _tell(event: JobEvent) -> None:
    """Says what happened."""
    if event.figure is not None:
        figure = event.figure
        if figure.left or figure.right:  # of single labels, which are many: the files have them
            return
        place = f"{figure.target}/{figure.domain}" if figure.domain else figure.target
        factor = "" if figure.alpha is None else f", factor {figure.alpha:g}"
        value = f"{figure.metric} {figure.estimator} {figure.value:.2f}"
        note(f"{figure.part} {place}: {value} (n = {figure.n}{factor})")
    elif event.kind == "checkpoint":
        note(f"saved {event.text}")
    elif event.text:
        note(event.text)


def _said(latest: Mapping[str, float]) -> str:
    """Figures in short."""
    parts = []
    if "loss" in latest:
        parts.append(f"loss {latest['loss']:.4f}")
    if "tokens_per_second" in latest:
        parts.append(f"{latest['tokens_per_second']:.0f} tokens/s")
    if "seconds_left" in latest:
        minutes, seconds = divmod(round(latest["seconds_left"]), 60)
        parts.append(f"{minutes}:{seconds:02d} left")
    return ", ".join(parts)

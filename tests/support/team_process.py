"""Several workers on made-up runs: `python -m tests.support.team_process FOLDER SIZE`.

They are forks of one process, so that the libraries are loaded once. Each does all runs in turn, and writes what it has
found; how each has ended is the last thing that is printed.
"""

import json
import os
import sys
import traceback
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import torch
from torch import nn

from services.models.catalogue import ModelFiles
from services.models.spec import ModelSpec
from services.runtime.errors import FailedPrecondition
from services.trainer.alignment.adversary import Adversary
from services.trainer.parallel.ranks import Ranks
from services.trainer.parallel.team import PeerLost, Team
from services.trainer.pretraining.pretrain import pretrain
from services.trainer.training.events import Event, Progressed, Stopped
from services.trainer.training.fit import fit
from services.trainer.training.plan import FineTunePlan, LanguageSet, Optimisation, Trained
from tests.support import pretraining
from tests.support.task_examples import direct_score, sentences
from tests.support.telling import tell

# Steps of some three pieces in two batches: now and then a worker has none of a batch, or of a whole step.
HOW = Optimisation(learning_rate=1e-3, epochs=2, step_tokens=24, accumulation=2, seed=5, dropout=0.0)
PLAN = FineTunePlan(
    ModelSpec("golden"),
    "pos",
    train=(LanguageSet("en", "train"),),
    dev=(LanguageSet("en", "dev"),),
    optimisation=HOW,
    threads=1,
)
ALIGNED = replace(
    PLAN,
    optimisation=replace(HOW, epochs=1),
    adversary=Adversary(1, hidden_size=16, dropout=0.0, learning_rate=1e-3, steps=2),
    unlabelled=(LanguageSet("sv", "texts"),),
)
"""With batches of one or two sentences of each side: now and then a worker has none of one side, or of both."""
Losses = dict[int, str]
Stop = Callable[[Losses], bool]


def never(losses: Losses) -> bool:
    """A run that is not stopped."""
    del losses
    return False


def tune(folder: Path, name: str, team: Team, how: Optimisation, stop: Stop = never) -> tuple[Losses, Trained]:
    """Fine-tunes the golden model; gives the losses of the steps that were done, as bits."""
    losses: Losses = {}
    found = fit(
        replace(PLAN, optimisation=replace(how, workers=team.size)),
        files=ModelFiles(aliases={"golden": folder / "golden"}),
        examples=lambda dataset: sentences(41) if dataset == "train" else sentences(10, 1),
        scorer=direct_score,
        workdir=folder / name,
        report=_keep(losses),
        stop=lambda: stop(losses),
        team=team,
    )
    return losses, found


def align(
    folder: Path, name: str, team: Team, dropout: float = 0.0, stop: Stop = never
) -> tuple[Losses, dict[int, dict[str, float]], Path]:
    """Fine-tunes with a layer aligned; gives the losses of the steps that were done, their figures, and the model."""
    losses: Losses = {}
    figures: dict[int, dict[str, float]] = {}
    adversary = replace(ALIGNED.adversary or Adversary(1), dropout=dropout)
    how = replace(ALIGNED.optimisation, workers=team.size, dropout=dropout)

    def report(event: Event) -> None:
        if isinstance(event, Progressed):
            losses[event.step], figures[event.step] = event.loss.hex(), dict(event.figures)

    sets = {"train": sentences(41), "dev": sentences(10, 1), "texts": sentences(30, 2)}
    found = fit(
        replace(ALIGNED, optimisation=how, adversary=adversary),
        files=ModelFiles(aliases={"golden": folder / "golden"}),
        examples=sets.__getitem__,
        scorer=direct_score,
        workdir=folder / name,
        report=report,
        stop=lambda: stop(losses),
        team=team,
    )
    return losses, figures, found.folder


def mask(folder: Path, name: str, team: Team) -> Losses:
    """Pretrains a new model."""
    losses: Losses = {}
    pretrain(
        pretraining.plan(epochs=1.0, workers=team.size, step_tokens=256, dropout=0.0),
        files=ModelFiles(),
        examples=pretraining.read,
        workdir=folder / name,
        cache=folder / f"{name}-cache",
        report=_keep(losses),
        team=team,
    )
    return losses


def _keep(losses: Losses) -> Callable[[Event], None]:
    def report(event: Event) -> None:
        if isinstance(event, Progressed):
            losses[event.step] = event.loss.hex()

    return report


def main() -> None:
    """Starts the workers, and tells how they have ended."""
    folder, size = Path(sys.argv[1]), int(sys.argv[2])
    workers = []
    for rank in range(size):
        if (pid := os.fork()) == 0:
            try:
                _work(folder, rank, size)
            except BaseException:
                traceback.print_exc()
            os._exit(1)
        workers.append(pid)
    ends = [os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) for pid in workers]
    tell(json.dumps(ends))


def _work(folder: Path, rank: int, size: int) -> None:
    """All runs of a worker."""
    torch.set_num_threads(1)
    found: dict[str, object] = {}

    def team(name: str) -> Ranks:
        return Ranks(f"file://{folder / name}.meeting", rank, size, "cpu")

    together = team("all")
    found["unequal"] = _unequal(together)
    found["tuned"], tuned = tune(folder, "tuned", together, HOW)
    found["workers"] = tuned.provenance["workers"]
    found["masked"] = mask(folder, "masked", together)
    found["aligned"], found["alignment"], _ = align(folder, "aligned", together)
    together.close()
    # With dropout, whose masks each worker draws by itself; stopped in an epoch, and gone on with.
    dropping = replace(HOW, dropout=0.1)
    together = team("whole")
    found["whole"], _ = tune(folder, "whole", together, dropping)
    parts: Losses = {}
    for stopped in (3, 5, 0):
        losses: Losses = {}
        try:
            losses, _ = tune(folder, "parts", together, dropping, lambda done, at=stopped: at in done)  # type: ignore[misc]
        except Stopped as early:
            found[f"stopped-{early.step}"] = rank
        parts |= losses
    found["parts"] = parts
    found["aligned-whole"], _, _ = align(folder, "aligned-whole", together, 0.1)
    pieces: Losses = {}
    for stopped in (4, 7, 0):
        done: Losses = {}
        try:
            done, _, _ = align(folder, "aligned-parts", together, 0.1, lambda losses, at=stopped: at in losses)  # type: ignore[misc]
        except Stopped as early:
            found[f"aligned-stopped-{early.step}"] = rank
        pieces |= done
    found["aligned-parts"] = pieces
    try:
        tune(folder, "tuned", together, replace(HOW, seed=6 + rank))
    except FailedPrecondition as error:
        found["differs"] = str(error)
    together.close()
    (folder / f"found-{rank}.json").write_text(json.dumps(found), encoding="utf-8")
    _lose(team("lost"), rank)


def _unequal(team: Team) -> list[object]:
    """Sums of gradients of which some worker has none, and of which none has one."""
    parameters = [nn.Parameter(torch.ones(3)) for _ in range(3)]
    parameters[0].grad = torch.full((3,), float(team.rank + 1))
    if team.rank:
        parameters[1].grad = torch.full((3,), 5.0)
    loss = team.reduce(parameters, 0.25 * (team.rank + 1))
    return [loss, *(None if each.grad is None else each.grad.tolist() for each in parameters)]


def _lose(team: Team, rank: int) -> None:
    """The last worker dies; the others learn of it, and end with 7."""
    if rank == team.size - 1:
        os._exit(9)
    try:
        team.agree(1)
        team.reduce([], 1.0)
    except PeerLost:
        os._exit(7)


if __name__ == "__main__":
    main()

"""What the work of every kind needs: the mesh's services, models, and the way of checkpoints to the store."""

import shutil
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from pathlib import Path
from types import TracebackType
from typing import Self

from babelscope.data.examples import Example
from babelscope.data.languages import same_language
from babelscope.errors import RpcError
from babelscope.sync.datagen import DatagenClient
from babelscope.sync.metrics import MetricsClient

from services.models.catalogue import ModelFiles
from services.runtime.errors import FailedPrecondition
from services.runtime.files.folders import StoredFolder, fetch_folder, put_folder
from services.runtime.files.store import Store
from services.runtime.settings import load
from services.trainer import specs
from services.trainer.alignment.edits import LanguageEdit
from services.trainer.alignment.stored import StoredEdit
from services.trainer.driver.child import Channel
from services.trainer.driver.protocol import Assignment, Died, Report
from services.trainer.evaluation.figures import SetFigures
from services.trainer.evaluation.scoring import MetricsScorer
from services.trainer.kept import KEPT, weight
from services.trainer.parallel.ranks import Ranks
from services.trainer.parallel.team import SOLO, PeerLost, Team
from services.trainer.settings import TrainerSettings
from services.trainer.works.edits import read_edits

RUN = "run"
"""Folder of a run within the folder of its job."""


class Desk(AbstractContextManager["Desk"]):
    """The process of a job, put together from the trainer's settings; closes the clients at the end.

    Args:
        assignment: What it is to do.
        channel: The way to the trainer.
    """

    def __init__(self, assignment: Assignment, channel: Channel) -> None:
        self.settings = load(TrainerSettings)
        self.store = Store(self.settings.store_url, self.settings.store_bytes)
        self.files: ModelFiles = self.settings.model_files(self.store)
        self.folder = Path(assignment.workdir)
        self._assignment, self._channel = assignment, channel
        self._team: Team = SOLO
        self._datagen = DatagenClient(self.settings.peer(self.settings.datagen))
        self._metrics = MetricsClient(self.settings.peer(self.settings.metrics))
        self.scorer = MetricsScorer(self._metrics)
        KEPT.begin(self.settings.kept_bytes if assignment.keep else 0)

    @property
    def device(self) -> str:
        """Where the job computes."""
        device, place = self.settings.chosen_device(), self._assignment.place
        if device == "cpu" or self._assignment.workers == 1:
            return device
        if self.settings.runner == "process" and self.settings.device not in ("auto", "cuda"):
            raise FailedPrecondition(
                "`device`", f"Expected auto or cuda, so that each worker has a GPU, but got {self.settings.device}"
            )
        import torch

        if place >= torch.cuda.device_count():
            raise FailedPrecondition(
                "optimisation.workers", f"Expected a GPU for each worker, but there are {torch.cuda.device_count()}"
            )
        return f"cuda:{place}"

    @property
    def first(self) -> bool:
        """Whether this worker is the one that reports and writes."""
        return self._assignment.rank == 0

    def team(self) -> Team:
        """The workers of the job, once they have met."""
        given = self._assignment
        if given.workers == 1:
            return SOLO
        self._team = Ranks(given.meeting, given.rank, given.workers, self.device)
        return self._team

    def examples(self, dataset: str) -> Iterator[Example]:
        """The examples of a stored dataset, from the datagen server.

        Raises:
            FailedPrecondition: It is damaged or gone, or the server cannot be reached; names the dataset.
        """
        if KEPT:
            yield from KEPT.once(("examples", dataset), lambda: tuple(self._fetched(dataset)), weight)
        else:  # as they come: they may be more than memory holds
            yield from self._fetched(dataset)

    def _fetched(self, dataset: str) -> Iterator[Example]:
        try:
            yield from self._datagen.get_dataset(dataset)
        except RpcError as error:
            raise FailedPrecondition(f"dataset {dataset}", error.message) from error

    def tell(self, report: Report) -> None:
        """Tells the trainer, for all workers."""
        if self.first:
            self._channel.tell(report)

    def step(self, step: specs.JobStep, share: float) -> None:
        """Tells how far the job is."""
        figures = {name: value for name, value in step.figures.items() if abs(value) < float("inf")}
        self.tell(Report(progress=share, figures=figures, events=(("progress", specs.write(step)),)))

    def edits(self, stored: Sequence[StoredEdit]) -> tuple[LanguageEdit, ...]:
        """Interventions with their arrays, from the store."""
        edits = read_edits(self.store, stored)
        return tuple(LanguageEdit(edit, each.language) for edit, each in zip(edits, stored, strict=True))

    def resume(self) -> Path:
        """The folder of the run, fetched from the store where an attempt on another machine left its state there."""
        run = self.folder / RUN
        if self.first and not run.exists() and self._assignment.resume:
            state = fetch_folder(self.store, self._assignment.resume, self.folder / "states")
            temporary = self.folder / f".{RUN}"
            shutil.rmtree(temporary, ignore_errors=True)
            shutil.copytree(state, temporary)
            temporary.rename(run)
        return run

    def keep(self, kind: str, folder: Path) -> StoredFolder:
        """Puts a folder into the store."""
        return put_folder(self.store, kind, folder)

    def keep_state(self, state: Path, steps: int) -> None:
        """Tells of the newest state of a run, and puts it with the best model so far where other machines find it.

        On one machine the folder of the run itself is found again, and nothing is copied.

        Args:
            state: The state's folder.
            steps: Steps that it holds.
        """
        if not self.settings.shares_states:
            self.tell(Report(saved=steps))
            return
        states = sorted(path.name for path in state.parent.glob("state-*") if path != state)
        name = put_folder(self.store, "states", state.parent, leave_out=states).name
        self.tell(Report(resume=name, saved=steps))

    def keep_folder(self, folder: Path, steps: int) -> None:
        """Tells of a folder that the next attempt goes on from, and puts it where other machines find it.

        Args:
            folder: The folder.
            steps: Steps that it holds.
        """
        name = put_folder(self.store, "states", folder).name if self.settings.shares_states else None
        self.tell(Report(resume=name, saved=steps))

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._datagen.close()
        self._metrics.close()
        if isinstance(error, PeerLost):
            raise Died(str(error)) from error
        self._team.close()


@dataclass(frozen=True)
class Origin:
    """What figures say of the model that they are of.

    Attributes:
        task: Name of the task.
        source: Languages of the training sets, joined by `+`.
        reinit: Label of the layers drawn anew; empty where none were.
        seed: Seed of the training.
    """

    task: str
    source: str
    reinit: str
    seed: int


def job_figures(
    found: SetFigures, part: str, origin: Origin, *, domain: str = "", alpha: float | None = None
) -> tuple[specs.JobFigure, ...]:
    """Figures of a set as figures of a job.

    Args:
        found: Figures of the set.
        part: `dev` or `eval`.
        origin: The model.
        domain: Domain of the set.
        alpha: Factor of the shifts that was chosen.
    """
    return tuple(
        specs.JobFigure(
            part=part,
            source=origin.source,
            target=found.language,
            metric=figure.metric,
            estimator=figure.estimator,
            value=figure.value,
            low=figure.low,
            high=figure.high,
            n=figure.n,
            signature=figure.signature,
            reinit=origin.reinit,
            seed=origin.seed,
            task=origin.task,
            domain=domain,
            alpha=alpha,
            left=figure.left,
            right=figure.right,
        )
        for figure in found.figures
        if part == "eval" or figure.metric != "confusion"
    )


def with_gaps(figures: Sequence[specs.JobFigure]) -> tuple[specs.JobFigure, ...]:
    """Figures of test sets with their cross-lingual gaps (Hu et al. 2020): the source's own value less each one.

    The set of the source is that of its language, and of no domain of its own.
    """
    own = {(each.metric, each.estimator): each.value for each in figures if _is_own(each)}
    return tuple(
        replace(each, gap=own[each.metric, each.estimator] - each.value)
        if each.part == "eval"
        and not same_language(each.target, each.source)
        and not (each.left or each.right)
        and (each.metric, each.estimator) in own
        else each
        for each in figures
    )


def gap_warnings(figures: Sequence[specs.JobFigure]) -> tuple[str, ...]:
    """Which sets have no gap, since the source's set is scored by another estimator (a normaliser of answers)."""
    own: dict[str, set[str]] = {}
    for each in filter(_is_own, figures):
        own.setdefault(each.metric, set()).add(each.estimator)
    others: dict[tuple[str, str, str], list[str]] = {}
    for each in figures:
        if each.part != "eval" or same_language(each.target, each.source) or each.left or each.right:
            continue
        if each.metric in own and each.estimator not in own[each.metric]:
            ours = ", ".join(sorted(own[each.metric]))
            place = f"{each.target}/{each.domain}" if each.domain else each.target
            others.setdefault((each.metric, each.estimator, ours), []).append(place)
    return tuple(
        f"No gap of {metric} for {', '.join(places)}: scored by {estimator}, the source by {ours}"
        for (metric, estimator, ours), places in others.items()
    )


def _is_own(figure: specs.JobFigure) -> bool:
    """Whether a figure is one of the source's own test set, to which gaps are taken."""
    own = figure.part == "eval" and same_language(figure.target, figure.source)
    return own and not (figure.domain or figure.left or figure.right)


def figure_events(figures: Sequence[specs.JobFigure]) -> tuple[tuple[str, bytes], ...]:
    """Figures as events, but for the cells of confusion matrices, which the result has."""
    return tuple(("figure", specs.write(figure)) for figure in figures if figure.metric != "confusion")

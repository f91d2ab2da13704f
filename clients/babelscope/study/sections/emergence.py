"""What cross-lingual structure takes: models pretrained under several settings, each measured in the same ways.

Conneau, Wu et al. 2020, section 4, table 1. A cell of the grid, a setting at a size of the corpus and a seed, is a job
of the trainer; its model is measured by similarity, by retrieval of sentences and of words, and by zero-shot transfer.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

from babelscope.data.comparison import Comparison, Estimate
from babelscope.data.jobs import Job
from babelscope.data.models import Model, ModelInfo
from babelscope.study.design import RetrievalDesign, Study
from babelscope.study.jobs import cells as grids
from babelscope.study.jobs.cells import CellGrid, CellName, read_cells
from babelscope.study.jobs.ends import succeeded
from babelscope.study.jobs.grids import SweepGrid
from babelscope.study.jobs.pretraining import CellJobs
from babelscope.study.nodes import Node
from babelscope.study.plan import step_key
from babelscope.study.result import ModelUse
from babelscope.study.sections import fine_tuning, words
from babelscope.study.sections.base import Asked, Cells, Found, Section, Services, ShowProgress, Task
from babelscope.study.sections.words import WordsDesign
from babelscope.study.values import get

_PRECISION: Final = "p@1"


@dataclass(frozen=True, slots=True)
class EmergenceDesign:
    """What is asked.

    Attributes:
        grid: The models that are pretrained.
        words: Dictionaries whose words are retrieved.
        fine_tuning: Tasks that each model is fine-tuned on; None for none.
    """

    grid: CellGrid
    words: tuple[WordsDesign, ...] = ()
    fine_tuning: SweepGrid | None = None


@dataclass(frozen=True, slots=True)
class CellFigure:
    """One number of one model.

    Attributes:
        kind: `pretraining`, `similarity`, `retrieval`, `words` or `transfer`.
        metric: `perplexity`, `cka`, `p@1`, `accuracy`, ...
        estimator: Its variant; `+centred` behind that of centred retrieval.
        source: Left language; the query side of retrieval; the language of training.
        target: Right language; the language that was scored.
        layer: Layer of both sides; None for a number of the whole model.
        value: The number.
        low: Lower end of its 95 % interval.
        high: Upper end.
        n: Items used.
        null_mean: Chance level; None where there is none.
        signature: All settings behind the number.
    """

    kind: str
    metric: str
    estimator: str
    source: str
    target: str
    layer: int | None
    value: float
    low: float
    high: float
    n: int
    null_mean: float | None = None
    signature: str = ""


@dataclass(frozen=True, slots=True)
class CellFound:
    """One cell of the grid.

    Attributes:
        setting: Name of the setting.
        size: Number of texts of each language.
        seed: Seed of the pretraining.
        run: Whether it was run; the study left it out otherwise.
        untrained: Whether its model stays as it is drawn.
        checkpoint: `checkpoints/ID` of the model; empty where it was not run.
        digest: Digest of the model.
        layers: Number of its blocks.
        figures: Its numbers; none where it was not run.
    """

    setting: str
    size: int
    seed: int
    run: bool
    untrained: bool = False
    checkpoint: str = ""
    digest: str = ""
    layers: int = 0
    figures: tuple[CellFigure, ...] = ()


def read(node: Node, study: Study) -> EmergenceDesign:
    """The section of a study file."""
    keys = node.mapping(*grids.KEYS, words.SECTION.key, fine_tuning.SECTION.key)
    return EmergenceDesign(
        grid=read_cells(node, keys, languages(study)),
        words=get(keys, words.SECTION.key, lambda item: words.read(item, study), ()),
        fine_tuning=get(keys, fine_tuning.SECTION.key, lambda item: _tasks(item, study), None),
    )


def _tasks(node: Node, study: Study) -> SweepGrid:
    grid = fine_tuning.read(node, study)
    if grid.groups:
        node.fail("fine-tuning of the models as they are, without the key random_init")
    return grid


def languages(study: Study) -> tuple[str, ...]:
    """The languages of a study, its source first."""
    source = study.sources[0]
    return (source, *(language for language in study.languages if language != source))


def plan(design: EmergenceDesign, asked: Asked) -> list[Task]:
    """A request for every cell; one that the study leaves out is answered with that."""
    grid, order = design.grid, languages(asked.study)
    measured = {language: [text.text for text in asked.texts.corpus.texts[language]] for language in order}
    run = _Run(design, asked, CellJobs(grid, order, measured))
    return [run.task(cell) if grid.chosen(cell) else _left_out(cell) for cell in grid.cells]


def _left_out(cell: CellName) -> Task:
    found = CellFound(*cell, run=False)
    return Task(f"{cell} is left out", lambda _: {"left out": list(cell)}, lambda *_: [found])


class _Run:
    """The requests of one study.

    Args:
        design: What is asked.
        asked: What there is before.
        jobs: Enters the jobs.
    """

    def __init__(self, design: EmergenceDesign, asked: Asked, jobs: CellJobs) -> None:
        self._design, self._asked, self._jobs = design, asked, jobs
        self._chosen = [cell for cell in design.grid.cells if design.grid.chosen(cell)]
        self._entered: dict[CellName, Job] = {}
        self._words_depend = [task.depends(Found(())) for task in self._words(_NOBODY)]

    def task(self, cell: CellName) -> Task:
        """The request of one cell: it is pretrained and measured."""
        asked, study = self._asked, self._asked.study

        def depends(found: Found) -> dict[str, Any]:
            del found
            return {
                "name": list(cell),
                "trained": self._trained(cell),
                **asked.encoded((), study.languages),
                "pairs": [study.language_pairs(study.pairs), study.language_pairs(_retrieval(study).pairs)],
                "layers": study.layers,
                "measures": [each.depends for each in study.measures],
                "options": [study.standardise, study.drop_top_variance],
                "retrieval": [_retrieval(study).similarities, _retrieval(study).centre],
                "words": self._words_depend,
                "fine_tuning": None if self._design.fine_tuning is None else self._design.fine_tuning.depends(),
            }

        def ask(mesh: Services, found: Found, show: ShowProgress | None) -> Sequence[CellFound]:
            job = self._pretrained(mesh, cell, show)
            use = _use(cell, job, mesh.encoder.get_model(Model(job.checkpoint)))
            figures = [
                *_perplexities(job),
                *self._compared(mesh, use, show),
                *self._retrieved(mesh, use, show),
                *self._found_words(mesh, use, found, show),
                *self._transferred(mesh, use, found, show),
            ]
            untrained = self._design.grid.settings[cell.setting].untrained
            return [CellFound(*cell, True, untrained, job.checkpoint, use.digest, use.layers, tuple(figures))]

        return Task(f"{cell}: pretrained and measured", depends, ask)

    def _trained(self, cell: CellName) -> dict[str, Any]:
        """All that the model of a cell depends on."""
        order = languages(self._asked.study)
        texts = {language: self._asked.texts.digests[language] for language in order}
        return {**self._design.grid.depends(cell, order), "measured": texts}

    def _pretrained(self, mesh: Services, cell: CellName, show: ShowProgress | None) -> Job:
        """The job of a cell once it is done; the next ones are entered, so that a trainer with room begins them."""
        at = self._chosen.index(cell)
        for each in self._chosen[at : at + self._design.grid.together]:
            if each not in self._entered:
                # The same request after a break is the same job, which has gone on meanwhile or goes on now.
                request_id = f"study-{step_key('emergence', self._trained(each))}"
                self._entered[each] = self._jobs.enter(mesh, each, request_id)
        done = succeeded(mesh, self._entered[cell].name, f"`emergence` of {cell}", "pretrain", show)
        return done

    def _common(self, show: ShowProgress | None) -> dict[str, Any]:
        study = self._asked.study
        return {
            "layers": study.layers,
            "pooling": study.pooling,
            "overflow": study.overflow,
            "alignment": study.alignment,
            "progress": show,
            **study.computed,
        }

    def _compared(self, mesh: Services, use: ModelUse, show: ShowProgress | None) -> Iterator[CellFigure]:
        study = self._asked.study
        found: Comparison = mesh.metrics.compare(
            {language: self._asked.view(use, language) for language in study.languages},
            [each.measure for each in study.measures],
            pairs=study.language_pairs(study.pairs),
            standardise=study.standardise,
            drop_top_variance=study.drop_top_variance,
            **self._common(show),
        )
        yield from _figures("similarity", found.estimates)

    def _retrieved(self, mesh: Services, use: ModelUse, show: ShowProgress | None) -> Iterator[CellFigure]:
        study, design = self._asked.study, _retrieval(self._asked.study)
        for centre in design.centre:
            found: Comparison = mesh.metrics.retrieve(
                {language: self._asked.view(use, language) for language in study.languages},
                design.similarities,
                pairs=study.language_pairs(design.pairs),
                centre=centre,
                **self._common(show),
            )
            listed = [each for each in found.estimates if each.metric == _PRECISION]
            yield from _figures("retrieval", listed, "+centred" if centre else "")

    def _words(self, use: ModelUse) -> list[Task]:
        """The requests of the section `words` for one model."""
        return words.plan(self._design.words, replace(self._asked, uses=(use,)))

    def _found_words(
        self, mesh: Services, use: ModelUse, found: Found, show: ShowProgress | None
    ) -> Iterator[CellFigure]:
        for task in self._words(use):
            for each in task.ask(mesh, found, show):
                for row in each.rows:
                    if row.metric == _PRECISION:
                        yield CellFigure(
                            "words", row.metric, f"{row.estimator}{'+centred' if row.centred else ''}", row.source,
                            row.target, row.layer, row.value, row.low, row.high, row.n, row.null_mean, row.signature,
                        )  # fmt: skip

    def _transferred(
        self, mesh: Services, use: ModelUse, found: Found, show: ShowProgress | None
    ) -> Iterator[CellFigure]:
        if self._design.fine_tuning is None:
            return
        for task in fine_tuning.plan(self._design.fine_tuning, replace(self._asked, uses=(use,))):
            for each in fine_tuning.main_figures(task.ask(mesh, found, show)):
                figure = each.figure
                yield CellFigure(
                    "transfer", f"{figure.task}/{figure.metric}", figure.estimator, figure.source, figure.place, None,
                    figure.mean, figure.low, figure.high, figure.seeds,
                )  # fmt: skip


_NOBODY: Final = ModelUse("", "", "", "", "", "", "", 10**6, 0, 0, 0)
"""Stands for the models to come where a request must be described before there are any."""


def _retrieval(study: Study) -> RetrievalDesign:
    return study.retrieval or RetrievalDesign()


def _use(cell: CellName, job: Job, info: ModelInfo) -> ModelUse:
    return ModelUse(
        label=str(cell),
        asked=job.checkpoint,
        used=job.checkpoint,
        reason="",
        revision="",
        digest=info.digest,
        family=info.family,
        layers=info.layers,
        hidden_size=info.hidden_size,
        max_tokens=info.max_tokens,
        parameters=info.parameters,
    )


def _perplexities(job: Job) -> Iterator[CellFigure]:
    for each in job.figures:
        yield CellFigure(
            "pretraining", each.metric, each.estimator, each.source, each.place, None, each.value, each.low, each.high,
            each.n, None, each.signature,
        )  # fmt: skip


def _figures(kind: str, estimates: Iterable[Estimate], more: str = "") -> Iterator[CellFigure]:
    order = sorted(estimates, key=lambda each: (each.metric, each.estimator, each.left, each.right, each.left_layer))
    for each in order:
        yield CellFigure(
            kind, each.metric, f"{each.estimator}{more}", each.left, each.right, each.left_layer, each.value, each.low,
            each.high, each.n, each.null_mean, each.signature,
        )  # fmt: skip


def cells(found: CellFound) -> Iterable[Cells]:
    """A line a number; a cell that was not run has none."""
    for each in found.figures:
        yield {
            "kind": f"emergence/{each.kind}", "metric": each.metric, "estimator": each.estimator,
            "model": f"{found.setting}/{found.size}/{found.seed}", "source": each.source, "target": each.target,
            "layer": "" if each.layer is None else each.layer, "value": each.value, "low": each.low, "high": each.high,
            "n": each.n, "signature": each.signature,
        }  # fmt: skip


SECTION = Section("emergence", CellFound, read, plan, cells)

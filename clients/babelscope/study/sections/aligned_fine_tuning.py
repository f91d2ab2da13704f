"""Fine-tuning with a layer aligned to another language, by a map or a discriminator (Hsu et al. 2019, table 7).

A map is fitted on words, each the mean over all its contexts at the layer; it moves the hidden states of the source
language while the model is fine-tuned. Every row is a job of the trainer, beside one of the model as it is.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Final

from babelscope.calls.corpus.word_means import WordMeans
from babelscope.calls.maps import FittedMap
from babelscope.calls.views import View
from babelscope.corpora import read_texts
from babelscope.data.jobs import Job
from babelscope.data.models import Intervention, LinearMap, Model
from babelscope.study.design import Study
from babelscope.study.jobs.alignments import AlignmentGrid, DiscriminatorRow, MapRow, Row, enter, read_alignments
from babelscope.study.jobs.ends import going_on, succeeded
from babelscope.study.nodes import Node
from babelscope.study.offers import Wanted
from babelscope.study.plan import step_key
from babelscope.study.result import ModelUse
from babelscope.study.sections.base import Asked, Cells, Found, Section, Services, ShowProgress, Task

AS_IT_IS: Final = "none"
_KINDS: Final = {MapRow: "map", DiscriminatorRow: "discriminator"}


@dataclass(frozen=True, slots=True)
class AlignedFigure:
    """A score of one test set.

    Attributes:
        place: Language and domain of the set: `zh`, `en/literature`.
        metric: Name of the figure: `em`, `f1`, `accuracy`.
        estimator: Variant of the figure.
        value: Value.
        low: Lower end of the 95 % interval.
        high: Upper end.
        n: Items.
        signature: All settings behind the number, in one line.
    """

    place: str
    metric: str
    estimator: str
    value: float
    low: float
    high: float
    n: int
    signature: str


@dataclass(frozen=True, slots=True)
class WordsMap:
    """The map of a row.

    Attributes:
        source_words: Words of the source language that it was fitted on.
        target_words: Words of the target language.
        alike: Words that are spelled alike in both.
        criterion: The method's criterion after its last step.
        matrix_only: Whether its matrix alone is applied, because it divides rows by their norms.
        signature: All settings behind the map, in one line.
    """

    source_words: int
    target_words: int
    alike: int
    criterion: float
    matrix_only: bool
    signature: str


@dataclass(frozen=True, slots=True)
class Aligned:
    """One training of one row.

    Attributes:
        model: Name of the model that was fine-tuned.
        kind: `none` for the model as it is, `map` or `discriminator`.
        label: Name that the report shows; `none` for the model as it is.
        layer: The layer; None for the model as it is.
        task: Name of the task.
        source: Language of the training set.
        target: Language to which the layer was aligned; empty for the model as it is.
        seed: Seed of the training, and of the map.
        checkpoint: `checkpoints/ID`.
        figures: Scores on the test sets.
        map: The map; None where there is none.
        warnings: Warnings of the map and of the job.
    """

    model: str
    kind: str
    label: str
    layer: int | None
    task: str
    source: str
    target: str
    seed: int
    checkpoint: str
    figures: tuple[AlignedFigure, ...]
    map: WordsMap | None = None
    warnings: tuple[str, ...] = ()


def read(node: Node, study: Study) -> AlignmentGrid:
    """The section of a study file."""
    return read_alignments(node, study.languages)


def plan(grid: AlignmentGrid, asked: Asked) -> list[Task]:
    """A job of every model and seed as it is, then of every row, target and seed."""
    tasks = []
    for use in asked.models:
        for row in grid.rows:
            asked.check_layers("aligned_fine_tuning.layer", (row.layer,), use)
        rows: list[tuple[Row | None, str]] = [(None, "")]
        rows += [(row, target) for target in grid.targets for row in grid.rows]
        tasks += [_Training(grid, asked, use, row, target, seed).task() for row, target in rows for seed in grid.seeds]
    return tasks


@dataclass(frozen=True, slots=True)
class _Training:
    """One training: of a row, or of the model as it is."""

    grid: AlignmentGrid
    asked: Asked
    use: ModelUse
    row: Row | None
    target: str
    seed: int

    @property
    def model(self) -> Model:
        return Model(self.use.used, self.use.revision)

    @property
    def label(self) -> str:
        return AS_IT_IS if self.row is None else self.row.label

    def task(self) -> Task:
        """Its request."""
        what = "as it is" if self.row is None else f"with {self.row.label}, to {self.target}"
        drawn = f", seed {self.seed}" if len(self.grid.seeds) > 1 else ""
        return Task(
            f"{self.grid.task.task} in {self.grid.source}, {self.use.used} {what}{drawn}", self.depends, self.ask
        )

    def depends(self, found: Found) -> dict[str, Any]:
        """All that its scores depend on."""
        del found
        own: dict[str, Any] = {}
        if isinstance(self.row, MapRow):
            study, digests = self.asked.study, self.asked.texts.digests
            own["texts"] = {each: digests[each] for each in self._languages if each not in self.grid.text}
            own["encode"] = [study.overflow, study.computed]
        return {
            "model": [self.use.used, self.use.revision, self.use.digest],
            "seed": self.seed,
            **self.grid.depends(self.row, self.target),
            **own,
        }

    @property
    def _languages(self) -> tuple[str, str]:
        return self.grid.source, self.target

    def ask(self, mesh: Services, found: Found, show: ShowProgress | None) -> Sequence[Aligned]:
        """Fits the map where there is one, and fine-tunes."""
        depends: dict[str, Any] = {**self.depends(found)}
        edits: dict[str, tuple[Intervention, ...]] = {}
        about: WordsMap | None = None
        warnings: tuple[str, ...] = ()
        if isinstance(self.row, MapRow):
            fitted, about = self._fitted(mesh, self.row, show)
            edits, warnings = self._edits(fitted, self.row), tuple(fitted.warnings)
            depends["fitted"] = [fitted.source_map, fitted.target_map]
        # The same request after a break is the same job, which has gone on meanwhile.
        job = enter(
            self.grid,
            mesh,
            self.model,
            self.seed,
            label=self.label,
            row=self.row if isinstance(self.row, DiscriminatorRow) else None,
            edits=edits,
            target=self.target,
            request_id=f"study-{step_key(SECTION.key, depends)}",
        )
        done = succeeded(mesh, going_on(mesh, job).name, f"`{SECTION.key}` by {self.label}", "fine-tune", show)
        return [self._record(done, about, (*warnings, *done.warnings))]

    def _fitted(self, mesh: Services, row: MapRow, show: ShowProgress | None) -> tuple[FittedMap, WordsMap]:
        """The map from words of the source language to those of the target."""
        views = [self._words(mesh, language, row.layer, show) for language in self._languages]
        maps: dict[int, FittedMap] = mesh.metrics.fit_map(
            *views, row.method, options=row.options, seed=self.seed, progress=show
        )
        fitted = maps[row.layer]
        source, target = (frozenset(view.ids or ()) for view in views)
        about = WordsMap(
            len(source), len(target), len(source & target), float(fitted.trace[-1]), not fitted.affine, fitted.signature
        )
        return fitted, about

    def _words(self, mesh: Services, language: str, layer: int, show: ShowProgress | None) -> View:
        """The most frequent words of a language at a layer, each the mean over all its contexts."""
        path, study = self.grid.text.get(language), self.asked.study
        if path is None:
            texts: Sequence[Any] = self.asked.texts.corpus.texts[language]
        else:
            texts = read_texts(path, language=language, column=self.grid.column)
        found: WordMeans = mesh.encoder.encode_words(
            texts, model=self.model, layers=(layer,), language=language, overflow=study.overflow, progress=show,
            **study.computed,
        )  # fmt: skip
        return found.view(language, limit=self.grid.words)

    def _edits(self, fitted: FittedMap, row: MapRow) -> dict[str, tuple[Intervention, ...]]:
        """What moves each language; a map that divides rows by their norms moves them by its matrix alone."""
        names = {self.grid.source: fitted.source_map}
        if row.moves == "both":
            names[self.target] = fitted.target_map
        return {
            language: (Intervention(row.layer, linear_map=LinearMap(name, bias=name if fitted.affine else None)),)
            for language, name in names.items()
            if name
        }

    def _record(self, job: Job, about: WordsMap | None, warnings: Sequence[str]) -> Aligned:
        figures = tuple(
            AlignedFigure(
                each.place, each.metric, each.estimator, each.value, each.low, each.high, each.n, each.signature
            )
            for each in job.figures
            if each.part == "eval" and not (each.left or each.right)
        )
        row = self.row
        return Aligned(
            model=self.use.used,
            kind=AS_IT_IS if row is None else _KINDS[type(row)],
            label=self.label,
            layer=None if row is None else row.layer,
            task=self.grid.task.task,
            source=self.grid.source,
            target=self.target,
            seed=self.seed,
            checkpoint=job.checkpoint,
            figures=figures,
            map=about,
            warnings=tuple(dict.fromkeys(warnings)),
        )


def cells(aligned: Aligned) -> Iterable[Cells]:
    """A line a score, and one for the criterion of a map."""
    name = f"{aligned.label} seed {aligned.seed}"
    common = {
        "kind": "aligned_fine_tuning", "model": aligned.model, "source": aligned.source,
        "layer": "" if aligned.layer is None else aligned.layer,
    }  # fmt: skip
    for each in aligned.figures:
        yield {
            **common, "metric": f"{aligned.task}/{each.metric}", "estimator": f"{name} {each.estimator}".strip(),
            "target": each.place, "value": each.value, "low": each.low, "high": each.high, "n": each.n,
            "signature": each.signature,
        }  # fmt: skip
    if aligned.map is not None:
        yield {
            **common, "metric": "criterion", "estimator": name, "target": aligned.target,
            "value": aligned.map.criterion, "n": aligned.map.source_words, "signature": aligned.map.signature,
        }  # fmt: skip


def wanted(grid: AlignmentGrid) -> list[Wanted]:
    """The methods of maps."""
    return [
        Wanted("map method", row.method, row.place, options=row.options) for row in grid.rows if isinstance(row, MapRow)
    ]


SECTION = Section("aligned_fine_tuning", Aligned, read, plan, cells, wanted)

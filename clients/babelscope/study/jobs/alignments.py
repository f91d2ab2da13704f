"""Fine-tuning with a layer aligned, read from YAML: fixed maps and discriminators (Hsu et al. 2019, table 7)."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Final, Literal, cast

from babelscope.data.jobs import Job
from babelscope.data.jobs.alignment import Adversary
from babelscope.data.models import Intervention, Model
from babelscope.study.jobs.grids import (
    SETTINGS,
    TASK_KEYS,
    TaskGrid,
    Where,
    digest_of,
    put,
    read_where,
    task_grid,
    typed,
)
from babelscope.study.nodes import Node
from babelscope.study.paths import corpus_path, file_digest
from babelscope.study.values import get, need, options

KEYS: Final = (
    *TASK_KEYS, "maps", "discriminators", "text", "column", "words", "unlabelled", "seeds", "settings",
)  # fmt: skip
WORDS: Final = 20_000
"""Words of either language that a map is fitted on where a study names no number."""
_ADVERSARY: Final[Mapping[str, type]] = {
    "weight": float,
    "learning_rate": float,
    "hidden_size": int,
    "dropout": float,
    "smoothing": float,
    "steps": int,
}
"""What a study may set of a discriminator, as `Adversary` has it."""

Side = Literal["source", "both"]


@dataclass(frozen=True, slots=True)
class MapRow:
    """A fixed map at a layer while fine-tuning (appendix A.2.1).

    Attributes:
        label: Name that the report shows.
        layer: Layer of the words that it is fitted on, and at which it is applied.
        method: Name of the method, as the metrics server knows it.
        options: Options of the method.
        moves: What is moved: the source language alone, as in the paper, or both languages into their common space.
        place: Study file and path of the method in it, for errors.
    """

    label: str
    layer: int
    method: str
    options: Mapping[str, str] = field(default_factory=dict)
    moves: Side = "source"
    place: str = field(default="", compare=False)


@dataclass(frozen=True, slots=True)
class DiscriminatorRow:
    """A transform layer and a discriminator of languages at a layer while fine-tuning (appendix A.2.2).

    Attributes:
        label: Name that the report shows.
        layer: The layer.
        settings: Further settings: see `babelscope.Adversary`.
    """

    label: str
    layer: int
    settings: Mapping[str, Any] = field(default_factory=dict)


Row = MapRow | DiscriminatorRow


@dataclass(frozen=True, slots=True)
class AlignmentGrid:
    """What is asked.

    Attributes:
        task: Task with its one source and its test sets.
        rows: How a layer is aligned; the model as it is comes first by itself.
        text: Running text by language, of whose words maps are fitted; the study's own where a language has none.
        column: Part of an item of that text, as of a corpus.
        words: Largest number of words of either language, the most frequent ones.
        unlabelled: Sets of the target languages that discriminators see, whose answers are not looked at.
        seeds: Seeds of training and of maps.
        settings: What all jobs share: see `babelscope.calls.jobs.FineTuneOptions`.
    """

    task: TaskGrid
    rows: tuple[Row, ...]
    text: Mapping[str, Path] = field(default_factory=dict)
    column: str = ""
    words: int = WORDS
    unlabelled: Mapping[str, Where] = field(default_factory=dict)
    seeds: tuple[int, ...] = (0,)
    settings: Mapping[str, Any] = field(default_factory=dict)

    @property
    def source(self) -> str:
        """Language of the training set."""
        return next(iter(self.task.sources))

    @property
    def targets(self) -> tuple[str, ...]:
        """All other languages that are scored."""
        listed = dict.fromkeys(place.partition("/")[0] for place in self.task.test)
        return tuple(language for language in listed if language != self.source)

    def scored(self, target: str) -> dict[str, Where]:
        """The test sets of the source and of one target, of all targets where it is empty, by language and domain."""
        wanted = {self.source, target} if target else {self.source, *self.targets}
        return {place: each for place, each in self.task.test.items() if place.partition("/")[0] in wanted}

    def depends(self, row: Row | None, target: str) -> dict[str, Any]:
        """All that the scores of a row depend on besides model, seed and the study's own texts, as JSON values."""
        train, dev = self.task.sources[self.source]
        sets = [train, *([] if dev is None else [dev]), *self.scored(target).values()]
        found: dict[str, Any] = {
            "task": self.task.depends(),
            "sets": [digest_of(each) for each in sets],
            "target": target,
            "settings": dict(self.settings),
        }
        if isinstance(row, MapRow):
            texts = {each: file_digest(self.text[each]) for each in (self.source, target) if each in self.text}
            found["map"] = [row.label, row.layer, row.method, dict(row.options), row.moves]
            found["words"] = [texts, self.column, self.words]
        elif row is not None:
            found["discriminator"] = [row.label, row.layer, dict(row.settings), digest_of(self.unlabelled[target])]
        return found


def read_alignments(node: Node, languages: Sequence[str]) -> AlignmentGrid:
    """The section of a study file.

    Args:
        node: The section.
        languages: Languages of the study, in which test sets are looked for and whose texts are at hand.

    Raises:
        StudyError: A key is missing or wrong; names it, what was expected and got.
    """
    keys = node.mapping(*KEYS)
    task = task_grid(node, keys, languages)
    if len(task.sources) != 1:
        keys["sources"].fail("one source language", sorted(task.sources))
    maps: tuple[Row, ...] = keys["maps"].unique(_map) if "maps" in keys else ()
    others: tuple[Row, ...] = keys["discriminators"].unique(_discriminator) if "discriminators" in keys else ()
    rows = maps + others
    if not rows:
        node.fail("the key maps or the key discriminators", sorted(keys))
    labels = [row.label for row in rows]
    for label in labels:
        if labels.count(label) > 1:
            node.fail("a label of its own for each map and discriminator", label)
    grid = AlignmentGrid(task, rows)
    if not grid.targets:
        need(node, keys, "test").fail(f"a test set of another language than {grid.source}", sorted(task.test))
    both = (grid.source, *grid.targets)
    text = _by_language(keys, "text", both, corpus_path)
    for language in both if maps else ():
        if language not in text and language not in languages:
            node.fail(f"the key text with a file of {language}, which the study has no texts of", sorted(text))
    unlabelled = _by_language(keys, "unlabelled", grid.targets, read_where)
    for language in grid.targets if others else ():
        if language not in unlabelled:
            node.fail(f"the key unlabelled with a set of {language} for discriminators", sorted(unlabelled))
    return replace(
        grid,
        text=text,
        column=get(keys, "column", Node.text, ""),
        words=get(keys, "words", lambda item: item.integer(1), WORDS),
        unlabelled=unlabelled,
        seeds=get(keys, "seeds", lambda item: item.unique(lambda seed: seed.integer(0)), (0,)),
        settings=get(keys, "settings", lambda item: typed(item, SETTINGS), {}),
    )


def _by_language(keys: Mapping[str, Node], name: str, languages: Sequence[str], read: Any) -> dict[str, Any]:
    """Files by language: a path with `{language}`, or a mapping of some of the languages."""
    if name not in keys:
        return {}
    node = keys[name]
    if isinstance(node.value, dict):
        return {language: read(each, language) for language, each in node.mapping(*languages).items()}
    if "{language}" not in node.text() and len(languages) > 1:
        node.fail("a path with `{language}`, or files by language")
    return {language: read(node, language) for language in languages}


def _map(node: Node) -> MapRow:
    keys = node.mapping("label", "layer", "method", "options", "moves")
    method = need(node, keys, "method")
    return MapRow(
        label=get(keys, "label", Node.text, method.text()),
        layer=need(node, keys, "layer").integer(0),
        method=method.text(),
        options=get(keys, "options", options, {}),
        moves=get(keys, "moves", lambda item: cast(Side, item.choice("source", "both")), "source"),
        place=method.place,
    )


def _discriminator(node: Node) -> DiscriminatorRow:
    keys = node.mapping("label", "layer", *_ADVERSARY)
    layer = need(node, keys, "layer").integer(0)
    settings = replace(node, value={name: each.value for name, each in keys.items() if name in _ADVERSARY})
    return DiscriminatorRow(get(keys, "label", Node.text, f"GAN, layer {layer}"), layer, typed(settings, _ADVERSARY))


def enter(
    grid: AlignmentGrid,
    mesh: Any,
    model: Model,
    seed: int,
    *,
    label: str,
    row: DiscriminatorRow | None = None,
    edits: Mapping[str, Sequence[Intervention]] | None = None,
    target: str = "",
    request_id: str = "",
) -> Job:
    """Stores the sets of a row and enters its job.

    Args:
        grid: What is asked.
        mesh: Clients of datagen and trainer.
        model: Model to start from.
        seed: Seed of the training.
        label: Label of the job.
        row: The discriminator; None for a map, or for the model as it is.
        edits: What moves the hidden states of single languages, by language.
        target: Language to which a layer is aligned; all are scored where empty.
        request_id: Id that makes a repeated call harmless.

    Raises:
        CorpusError: A file cannot be read.
        RpcError: A server answered with an error, or could not be reached for too long.
    """
    task, source = grid.task, grid.source
    train, dev = task.sources[source]
    adversary = None
    if row is not None:
        texts = {target: put(mesh, grid.unlabelled[target], target, replace(task, format=None))}
        adversary = Adversary(row.layer, texts, **row.settings)
    entered: Job = mesh.trainer.fine_tune(
        model,
        task.task,
        {source: put(mesh, train, source, task)},
        dev={} if dev is None else {source: put(mesh, dev, source, task)},
        test={place: put(mesh, each, place.partition("/")[0], task) for place, each in grid.scored(target).items()},
        options=task.options,
        seed=seed,
        language_interventions=edits or {},
        adversary=adversary,
        entry={"request_id": request_id, "labels": {"alignment": label}},
        **{**grid.settings, **({"epochs": task.epochs} if task.epochs else {})},
    )
    return entered

"""Grids of fine-tuning: read from YAML or made from options, their files stored, and entered as one sweep."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Final

from babelscope.calls.sweeps import SweepOptions, layer_pairs
from babelscope.corpora import Example, Options, read_examples
from babelscope.data.jobs import Job
from babelscope.data.jobs.sweep import SweepTask
from babelscope.data.models import Model, parse_layers
from babelscope.study.nodes import Node, read_yaml
from babelscope.study.paths import corpus_path, file_digest
from babelscope.study.values import get, need, number, one_or_more, options

PAIRS: Final = "pairs"
STORED: Final = "datasets/"
"""Beginning of the names of stored datasets, which stand where a file may stand."""
TASK_KEYS: Final = ("task", "sources", "test", "languages", "domains", "options", "epochs", "format")
KEYS: Final = ("tasks", "random_init", "seeds", "learning_rates", "step_tokens", "settings")
OPTIMISATION: Final[Mapping[str, type]] = {
    "learning_rate": float,
    "epochs": float,
    "max_steps": int,
    "step_tokens": int,
    "accumulation": int,
    "warmup": float,
    "schedule": str,
    "weight_decay": float,
    "clip": float,
    "dropout": float,
    "dtype": str,
    "evaluations": int,
    "patience": int,
}
"""Options of `Optimisation` that a study may set, with their types."""
SETTINGS: Final[Mapping[str, type]] = {
    **OPTIMISATION,
    "freeze_embeddings": bool,
    "freeze_layers": int,
    "head_learning_rate": float,
    "max_tokens": int,
}
"""What all jobs of a grid may share, as `FineTuneOptions` has it."""

Where = Path | str
"""A file, or the name of a stored dataset."""


@dataclass(frozen=True, slots=True)
class TaskGrid:
    """One task of a grid.

    Attributes:
        task: Name of the task.
        sources: Training and development set by source language; no development set where None.
        test: Test sets by language; `en/literature` is a set of another domain.
        options: Options of the task by name.
        epochs: Passes over the training examples; those of the grid where 0.
        format: Format of the files; told from each file where None.
    """

    task: str
    sources: Mapping[str, tuple[Where, Where | None]]
    test: Mapping[str, Where]
    options: Mapping[str, str] = field(default_factory=dict)
    epochs: float = 0.0
    format: str | None = None

    def depends(self) -> list[Any]:
        """All that its figures depend on besides its files, as JSON values."""
        return [self.task, list(self.sources), list(self.test), dict(self.options), self.epochs, self.format]

    @property
    def files(self) -> list[tuple[str, Where]]:
        """All sets with their languages."""
        pairs = [(language, each) for language, sets in self.sources.items() for each in sets if each is not None]
        return pairs + [(place.partition("/")[0], each) for place, each in self.test.items()]


@dataclass(frozen=True, slots=True)
class SweepGrid:
    """A grid of fine-tuning.

    Attributes:
        tasks: Tasks.
        groups: Layers drawn anew by label; pairs of consecutive layers where None.
        seeds: Seeds.
        learning_rates: Learning rates; that of `settings`, or the trainer's default, where empty.
        step_tokens: Tokens of an optimiser step; as for the learning rates.
        settings: What all jobs share: see `babelscope.calls.jobs.FineTuneOptions`.
    """

    tasks: tuple[TaskGrid, ...]
    groups: Mapping[str, tuple[int, ...]] | None = field(default_factory=dict)
    seeds: tuple[int, ...] = (0,)
    learning_rates: tuple[float, ...] = ()
    step_tokens: tuple[int, ...] = ()
    settings: Mapping[str, Any] = field(default_factory=dict)

    def groups_of(self, layers: int) -> dict[str, tuple[int, ...]]:
        """Layers drawn anew by label, for a model of so many layers."""
        return layer_pairs(layers) if self.groups is None else dict(self.groups)

    def depends(self) -> dict[str, Any]:
        """All that its figures depend on besides the model, as JSON values."""
        return {
            "tasks": [each.depends() for each in self.tasks],
            "files": [digest_of(where) for each in self.tasks for _, where in each.files],
            "groups": None if self.groups is None else {label: list(group) for label, group in self.groups.items()},
            "axes": [self.seeds, self.learning_rates, self.step_tokens],
            "settings": dict(self.settings),
        }


def read_grid(path: Path) -> tuple[str, SweepGrid]:
    """A grid from a YAML file, with the name of its model.

    Raises:
        StudyError: The file cannot be read or does not follow the schema; names the key, what was expected and got.
    """
    root = read_yaml(path)
    keys = root.mapping("model", *KEYS)
    return get(keys, "model", Node.text, ""), grid(root, keys, ())


def grid(node: Node, keys: Mapping[str, Node], languages: Sequence[str]) -> SweepGrid:
    """The grid under some keys.

    Args:
        node: The mapping that has them.
        keys: Its entries.
        languages: Languages of test sets whose path has `{language}`, where the task names none.

    Raises:
        StudyError: A key is missing or wrong.
    """
    return SweepGrid(
        tasks=one_or_more(need(node, keys, "tasks"), lambda item: task_grid(item, item.mapping(*TASK_KEYS), languages)),
        groups=groups(keys["random_init"]) if "random_init" in keys else {},
        seeds=get(keys, "seeds", lambda item: item.unique(lambda seed: seed.integer(0)), (0,)),
        learning_rates=get(keys, "learning_rates", lambda item: item.unique(number), ()),
        step_tokens=get(keys, "step_tokens", lambda item: item.unique(lambda size: size.integer(1)), ()),
        settings=get(keys, "settings", lambda item: typed(item, SETTINGS), {}),
    )


def groups(node: Node) -> dict[str, tuple[int, ...]] | None:
    """Layers drawn anew by label: `pairs`, a list of layers in short such as `1-2`, or a mapping of labels to them."""
    if node.value == PAIRS:
        return None
    if isinstance(node.value, list):
        return {str(item.value): _layers(item) for item in node.items()}
    return {label: _layers(item) for label, item in node.entries().items()}


def _layers(node: Node) -> tuple[int, ...]:
    if isinstance(node.value, list):
        return tuple(sorted(node.unique(lambda item: item.integer(1))))
    try:
        return parse_layers(str(node.value))
    except ValueError as error:
        node.fail(f"layers such as 3, 1-2 or [1, 4] ({error})")


def task_grid(node: Node, keys: Mapping[str, Node], languages: Sequence[str]) -> TaskGrid:
    """The task under some keys, which `TASK_KEYS` names; arguments as of `grid`.

    Raises:
        StudyError: A key is missing or wrong.
    """
    listed = get(keys, "languages", lambda item: item.unique(Node.text), tuple(languages))
    test = _test(keys["test"], listed) if "test" in keys else {}
    domains = _sets(keys["domains"].entries()) if "domains" in keys else {}
    return TaskGrid(
        task=need(node, keys, "task").text(),
        sources={language: _source(each, language) for language, each in need(node, keys, "sources").entries().items()},
        test={**test, **domains},
        options=get(keys, "options", options, {}),
        epochs=get(keys, "epochs", number, 0.0),
        format=get(keys, "format", Node.text, None),
    )


def _source(node: Node, language: str) -> tuple[Where, Where | None]:
    keys = node.mapping("train", "dev")
    return read_where(need(node, keys, "train"), language), get(
        keys, "dev", lambda item: read_where(item, language), None
    )


def _test(node: Node, languages: Sequence[str]) -> dict[str, Where]:
    if isinstance(node.value, dict):
        return _sets(node.entries())
    if "{language}" not in node.text() or not languages:
        node.fail("files by language, or a path with `{language}` beside the key languages")
    return {language: read_where(node, language) for language in languages}


def _sets(entries: Mapping[str, Node]) -> dict[str, Where]:
    return {place: read_where(each, place.partition("/")[0]) for place, each in entries.items()}


def read_where(node: Node, language: str) -> Where:
    """A file of a language, or the name of a stored dataset.

    Raises:
        StudyError: It is neither.
    """
    return node.text() if node.text().startswith(STORED) else corpus_path(node, language)


def digest_of(where: Where) -> str:
    """What stands for the contents of a set: its name in the store, or a digest of its file.

    Raises:
        StudyError: The file cannot be read.
    """
    return where if isinstance(where, str) else file_digest(where)


def typed(node: Node, kinds: Mapping[str, type]) -> dict[str, Any]:
    """A mapping of settings, each of the type that its name has: truth values, whole numbers from 0, numbers, text.

    Raises:
        StudyError: A name is not among them, or a value is of another type.
    """
    readers: Mapping[type, Callable[[Node], Any]] = {
        bool: Node.boolean, int: lambda each: each.integer(0), float: number, str: Node.text,
    }  # fmt: skip
    return {name: readers[kinds[name]](each) for name, each in node.mapping(*kinds).items()}


def enter_sweep(grid: SweepGrid, model: Model | str, mesh: Any, *, request_id: str = "") -> Job:
    """Stores the files of a grid and enters it as one job.

    Args:
        grid: The grid.
        model: Model to start from.
        mesh: Clients of datagen and trainer, and of the encoder where the grid takes pairs of layers.
        request_id: Id that makes a repeated call harmless.

    Raises:
        CorpusError: A file cannot be read.
        RpcError: A server answered with an error, or could not be reached for too long.
    """
    drawn = dict(grid.groups) if grid.groups is not None else layer_pairs(mesh.encoder.get_model(model).layers)
    tasks = [
        SweepTask(
            task=each.task,
            sources={
                language: (put(mesh, train, language, each), "" if dev is None else put(mesh, dev, language, each))
                for language, (train, dev) in each.sources.items()
            },
            test={place: put(mesh, where, place.partition("/")[0], each) for place, where in each.test.items()},
            options=each.options,
            epochs=each.epochs,
        )
        for each in grid.tasks
    ]
    axes: SweepOptions = {
        "random_init": drawn,
        "seeds": grid.seeds,
        "learning_rates": grid.learning_rates,
        "sizes": grid.step_tokens,
    }
    entered: Job = mesh.trainer.sweep(model, tasks, axes=axes, entry={"request_id": request_id}, **grid.settings)
    return entered


def put(mesh: Any, where: Where, language: str, task: TaskGrid) -> str:
    """The name of a set of a task in the store, where a file's examples are put first.

    Raises:
        CorpusError: The file cannot be read.
        RpcError: The server answered with an error, or could not be reached for too long.
    """
    if isinstance(where, str):
        return where
    name: str = mesh.datagen.put_dataset(tagged(where, language, task.format), title=where.name).name
    return name


def tagged(path: Path, language: str, format: str | None) -> Iterator[Example]:  # noqa: A002
    """The examples of a file, with the language that was given."""
    for example in read_examples(path, format=format, options=Options(language=language)):
        yield example if example.language == language else replace(example, language=language)

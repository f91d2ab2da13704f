"""`babelscope train | predict`: fine-tuned models and their answers."""

import re
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Annotated, Any, Final

import typer

from babelscope.calls.jobs import Sets
from babelscope.cli.console import note
from babelscope.cli.interventions import JobEditOptions
from babelscope.cli.job_progress import watch
from babelscope.cli.options import FormatOption, MeshOptions, one_of, read_model, read_named, with_options
from babelscope.cli.output import Numbers, ResultOptions
from babelscope.corpora import Options, read_examples
from babelscope.corpora.writers import write_examples
from babelscope.corpora.writers.registry import check_name, format_for
from babelscope.data.comparison import TIDY_COLUMNS
from babelscope.data.examples import Example, Sentence
from babelscope.data.jobs import Job
from babelscope.data.jobs.alignment import Adversary
from babelscope.errors import BabelscopeError, CorpusError
from babelscope.local.mesh import LocalMesh
from babelscope.study.jobs.grids import STORED, Where, tagged
from babelscope.sync.mesh import Mesh

SERVICES: Final = ("metrics", "datagen", "trainer")
_DATASET: Final = re.compile(r"datasets/[0-9a-f]{64}")
_SHOWN: Final = ("kind", "metric", "estimator", "source", "target", "value", "low", "high", "n")
_LABELLED: Final = frozenset({"confusion", "label_f1", "type_f1"})
"""Figures of single labels, which are too many for the standard output."""
_ENTITIES: Final = "ner"
"""Task whose answers are entity tags of words, for which CoNLL-U has no column."""
_FAILED: Final = 1

CheckpointArgument = Annotated[str, typer.Argument(metavar="CHECKPOINT", help="Fine-tuned model: checkpoints/ID.")]
EvalOption = Annotated[
    list[str] | None,
    typer.Option(
        "--eval",
        metavar="LANGUAGE=FILE",
        help="Test set of a language, or of a domain in it as en/literature: a file or a stored datasets/DIGEST. "
        "May be repeated.",
    ),
]
MaxTokensOption = Annotated[
    int, typer.Option("--max-tokens", min=0, help="Longest input in tokens; the model's longest if 0.")
]
WorkersOption = Annotated[
    int, typer.Option("--workers", min=1, help="Processes that share out each step; --step-tokens are those of all.")
]
DetachOption = Annotated[
    bool, typer.Option("--detach", help="Enter the job and print its name, without waiting for its end.")
]


def register(app: typer.Typer) -> None:
    """Adds the commands."""
    app.command("train")(train)
    app.command("predict")(predict)


@dataclass(frozen=True, slots=True)
class AlignmentOptions(JobEditOptions):
    """How hidden states are edited, and how a layer is aligned by a discriminator of languages."""

    align_layer: Annotated[
        int | None,
        typer.Option("--align-layer", min=0, help="Layer that is aligned by a discriminator; none if not given."),
    ] = None
    align: Annotated[
        list[str] | None,
        typer.Option(
            "--align",
            metavar="LANGUAGE=FILE",
            help="Texts of a target language for the alignment: a file or a stored datasets/DIGEST. May be repeated.",
        ),
    ] = None
    align_weight: Annotated[float, typer.Option("--align-weight", help="Weight of the alignment in the loss.")] = 1.0
    align_learning_rate: Annotated[
        float, typer.Option("--align-learning-rate", help="Learning rate of the discriminator.")
    ] = 1e-4
    align_steps: Annotated[int, typer.Option("--align-steps", min=1, help="Steps of the discriminator a batch.")] = 1

    def adversary(self, mesh: Mesh, format: str | None) -> Adversary | None:  # noqa: A002
        """The alignment, whose texts are stored first."""
        if self.align_layer is None:
            return None
        return Adversary(
            self.align_layer,
            put_sets(mesh, self.align or (), "--align", format),
            weight=self.align_weight,
            learning_rate=self.align_learning_rate,
            steps=self.align_steps,
        )


@dataclass(frozen=True, slots=True)
class TrainingOptions(AlignmentOptions):
    """How a model is fine-tuned."""

    option: Annotated[
        list[str] | None,
        typer.Option("--option", metavar="NAME=VALUE", help="Option of the task. May be repeated."),
    ] = None
    random_init: Annotated[
        str | None,
        typer.Option(
            "--random-init", metavar="LIST", help="Layers drawn anew before training, such as 1-2 or embeddings,1-2."
        ),
    ] = None
    freeze: Annotated[int, typer.Option("--freeze", min=0, help="Number of layers frozen from the first on.")] = 0
    freeze_embeddings: Annotated[
        bool, typer.Option("--freeze-embeddings", help="Whether the embeddings are frozen.")
    ] = False
    learning_rate: Annotated[
        float | None, typer.Option("--learning-rate", help="Peak learning rate of the encoder; 5e-5 if not given.")
    ] = None
    head_learning_rate: Annotated[
        float | None,
        typer.Option("--head-learning-rate", help="Peak learning rate of the head; ten times the encoder's."),
    ] = None
    epochs: Annotated[float, typer.Option("--epochs", help="Passes over the training examples.")] = 3.0
    step_tokens: Annotated[int, typer.Option("--step-tokens", min=1, help="Tokens of an optimiser step.")] = 1024
    dtype: Annotated[
        str,
        typer.Option("--dtype", callback=one_of("float32", "bfloat16"), help="Arithmetic: float32 or bfloat16."),
    ] = "float32"
    seed: Annotated[
        int, typer.Option("--seed", help="Seed of the data's order, dropout, the head, and layers drawn anew.")
    ] = 0
    max_tokens: MaxTokensOption = 0
    workers: WorkersOption = 1

    def arguments(self) -> dict[str, Any]:
        """The arguments of the client's method; what is left out has the server's default."""
        given = {
            "freeze_layers": self.freeze,
            "freeze_embeddings": self.freeze_embeddings,
            "learning_rate": self.learning_rate,
            "head_learning_rate": self.head_learning_rate,
            "epochs": self.epochs,
            "step_tokens": self.step_tokens,
            "dtype": self.dtype,
            "seed": self.seed,
            "max_tokens": self.max_tokens,
            "workers": self.workers,
        }
        return {name: value for name, value in given.items() if value is not None}


@with_options
def train(
    *,
    task: Annotated[str, typer.Option("--task", help="Task: pos, ner, parsing, nli or qa; the trainer has a list.")],
    model: Annotated[
        str, typer.Option("--model", metavar="NAME", help="Model to start from: a hub id, a folder or an alias.")
    ],
    train: Annotated[
        list[str],
        typer.Option("--train", metavar="LANGUAGE=FILE", help="Training set of a language. May be repeated."),
    ],
    dev: Annotated[
        list[str] | None,
        typer.Option("--dev", metavar="LANGUAGE=FILE", help="Development set of a language. May be repeated."),
    ] = None,
    test: EvalOption = None,
    how: TrainingOptions,
    detach: DetachOption = False,
    format: FormatOption = None,  # noqa: A002
    results: ResultOptions,
    mesh: MeshOptions,
) -> None:
    """Fine-tunes a model on a task and scores its best checkpoint on sets of any language.

    The best checkpoint is that of the best mean score on the development sets. It is kept in the store as
    `checkpoints/ID`, which the encoder serves and `evaluate` and `predict` take.
    """
    if (how.align_layer is None) != (not how.align):
        raise typer.BadParameter("Expected --align-layer and --align together, but got one of them")
    check_lasting(mesh, detach)
    with mesh.open(*SERVICES, models=[model]) as opened:
        job = opened.trainer.fine_tune(
            read_model(model, "", how.random_init, how.seed),
            task,
            put_sets(opened, train, "--train", format),
            dev=put_sets(opened, dev or (), "--dev", format),
            test=put_sets(opened, test or (), "--eval", format),
            options=read_named(how.option or [], "--option"),
            adversary=how.adversary(opened, format),
            **how.edits(),
            **how.arguments(),
        )
        follow(opened, job, detach, results)


@with_options
def predict(
    checkpoint: CheckpointArgument,
    *,
    input: Annotated[Path, typer.Option("--input", metavar="FILE", help="Corpus to be annotated.")],  # noqa: A002
    output: Annotated[
        Path,
        typer.Option(
            "--output",
            metavar="FILE",
            help="File for the annotated corpus, in the format that holds the answers: iob2 for entities, conllu for "
            "tags and trees, xnli for pairs, squad for questions.",
        ),
    ],
    language: Annotated[str, typer.Option("--language", help="BCP 47 tag of the corpus.")] = "",
    max_tokens: MaxTokensOption = 0,
    edits: JobEditOptions,
    format: FormatOption = None,  # noqa: A002
    mesh: MeshOptions,
) -> None:
    """Annotates a corpus by a fine-tuned model.

    The answers stand in place of the gold ones; other annotation of words is left out.
    """
    examples = list(read_examples(input, format=format, options=Options(language=language)))
    if not examples:
        raise typer.BadParameter(f"Expected at least one example in {input}, but got none")
    with mesh.open(*SERVICES) as opened:
        task = opened.trainer.get_checkpoint(checkpoint).task
        held = _format_of_answers(task, examples[0], output)
        said = opened.trainer.predict(checkpoint, examples, max_tokens=max_tokens, **edits.edits())
        written = write_examples(said, output, format=held)
    note(f"{written} examples: {output} (answers of task {task}, as {held})")


def _format_of_answers(task: str, example: Example, output: Path) -> str:
    """The format that holds the answers of a task on examples of a kind; a file named as another one is refused."""
    if not isinstance(example.content, Sentence):
        return format_for(example)
    held = "iob2" if task == _ENTITIES else "conllu"
    try:
        check_name(output, held)
    except ValueError as error:
        raise typer.BadParameter(f"{error} (--output; the answers of task {task} are written as {held})") from error
    return held


def check_lasting(mesh: MeshOptions, detach: bool) -> None:
    """Refuses a job in the background of servers that end with the command."""
    if detach and mesh.mesh is None:
        raise typer.BadParameter("Expected --mesh with --detach: servers that are started here end with the command")


def read_sets(given: Iterable[str], option: str) -> list[tuple[str, Where]]:
    """LANGUAGE=FILE options, where a file may be the name of a stored dataset, and a language may have a domain."""
    sets: list[tuple[str, Where]] = []
    for text in given:
        language, equals, where = text.partition("=")
        if not (language and equals and where):
            raise typer.BadParameter(f"Expected {option} LANGUAGE=FILE, but got {text!r}")
        if not where.startswith(STORED) and not Path(where).is_file():
            raise typer.BadParameter(f"Expected a file in {option} {text}, but there is none")
        sets.append((language, where if where.startswith(STORED) else Path(where)))
    return sets


def put_sets(mesh: Mesh, given: Iterable[str], option: str, format: str | None) -> Sets:  # noqa: A002
    """Names of stored datasets by language; files are stored first."""
    sets: list[tuple[str, str]] = []
    for place, where in read_sets(given, option):
        language = place.partition("/")[0]
        stored = (
            mesh.datagen.put_dataset(some(tagged(where, language, format), where), title=where.name).name
            if isinstance(where, Path)
            else where
        )
        sets.append((place, stored))
    return sets


def some(examples: Iterable[Example], path: Path) -> Iterator[Example]:
    """The examples of a file.

    Raises:
        CorpusError: There are none.
    """
    found = False
    for example in examples:
        found = True
        yield example
    if not found:
        raise CorpusError(path, 0, "Expected at least one example, but got none")


def follow(mesh: Mesh, job: Job, detach: bool, results: ResultOptions) -> None:
    """Shows a job's course until it ends, and gives its figures."""
    if detach:
        typer.echo(job.name)
        return
    note(f"{job.name} is {job.state}")
    if job.state == "queued":
        # A command that was interrupted leaves its job in the store, and this one waits for it.
        waiting = [each for each in mesh.trainer.list_jobs(states=["running", "queued"]) if each.name != job.name]
        if waiting:
            oldest = waiting[-1]
            note(f"Unfinished jobs that may come first: {len(waiting)}; the oldest is {oldest.name} ({oldest.state})")
    try:
        done = watch(mesh.trainer, job.name)
    except KeyboardInterrupt:
        if not isinstance(mesh, LocalMesh):
            command = "babelscope jobs"
            note(f"{job.name} goes on: `{command} watch {job.name}` follows it, `{command} cancel {job.name}` ends it")
        raise
    if done.state != "succeeded":
        reason = titled(mesh, done.reason)
        raise BabelscopeError(f"{done.name} has {done.state}: {reason}" if reason else f"{done.name} was {done.state}")
    give(replace(done, warnings=tuple(titled(mesh, warning) for warning in done.warnings)), results)


def titled(mesh: Mesh, text: str) -> str:
    """A text with the titles of the stored datasets that it names, which are the names of their files."""
    names = set(_DATASET.findall(text))
    if not names:
        return text
    try:
        titles = {each.name: each.title for each in mesh.datagen.list_datasets() if each.name in names and each.title}
    except BabelscopeError:  # what the job says matters more
        return text
    return _DATASET.sub(lambda found: f"{found[0]} ({titles[found[0]]})" if found[0] in titles else found[0], text)


def numbers_of(job: Job) -> Numbers:
    """The figures of a job that has succeeded."""
    rows = [{**dict.fromkeys(TIDY_COLUMNS), **row} for row in job.table()]
    record = {
        "kind": job.kind,
        "job": job.name,
        "checkpoint": job.checkpoint,
        "figures": [asdict(figure) for figure in job.figures],
        "sweep": [asdict(figure) for figure in job.sweep],
        "children": list(job.children),
        "warnings": list(job.warnings),
        "provenance": dict(job.provenance),
    }
    return Numbers(record, rows, rows, TIDY_COLUMNS, _SHOWN)


def give(job: Job, results: ResultOptions) -> None:
    """Gives the figures of a job that has succeeded, and says where its checkpoint is."""
    for warning in job.warnings:
        note(f"Beware: {warning}")
    numbers = numbers_of(job)
    if results.out is None and results.output is None:
        numbers = replace(numbers, rows=[row for row in numbers.rows if row["metric"] not in _LABELLED])
    results.give(numbers)
    if job.checkpoint:
        note(f"Checkpoint: {job.checkpoint}")

"""`babelscope pretrain`: a masked language model from a corpus, from random weights or from a model."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Final

import typer

from babelscope.calls.jobs import Sets
from babelscope.cli.options import MeshOptions, check_idle, one_of, with_options
from babelscope.cli.output import ResultOptions
from babelscope.cli.train import DetachOption, WorkersOption, check_lasting, follow, read_sets, some
from babelscope.corpora import Options, read_examples
from babelscope.corpora.vocabularies import to_examples
from babelscope.data.jobs.architecture import Architecture, Separation
from babelscope.sync.mesh import Mesh

SERVICES: Final = ("metrics", "datagen", "trainer")
_LANGUAGE: Final = "{language}"
"""Stands for the language in the name of a vocabulary's file."""

CorpusOption = Annotated[
    list[str],
    typer.Option(
        "--corpus",
        metavar="LANGUAGE=FILE",
        help="Running text of a language: a file or a stored datasets/DIGEST. May be repeated.",
    ),
]
FormOption = Annotated[
    str,
    typer.Option(
        "--form",
        callback=one_of("text", "pieces", "ids"),
        help="Form of the lines: running text, or streams of sub-words or of their ids.",
    ),
]


def register(app: typer.Typer) -> None:
    """Adds the command."""
    app.command("pretrain")(pretrain)


@dataclass(frozen=True, slots=True)
class ArchitectureOptions:
    """A new model."""

    family: Annotated[
        str,
        typer.Option("--family", callback=one_of("bert", "roberta", "modernbert"), help="Family of a new model."),
    ] = "bert"
    layers: Annotated[int, typer.Option("--layers", min=1, help="Number of layers of a new model.")] = 8
    width: Annotated[int, typer.Option("--width", min=1, help="Width of its hidden states.")] = 768
    heads: Annotated[
        int, typer.Option("--heads", min=0, help="Attention heads a layer; one for each 64 of the width if 0.")
    ] = 0
    feed_forward: Annotated[
        int, typer.Option("--feed-forward", min=0, help="Width within feed-forward layers; four times --width if 0.")
    ] = 0
    max_tokens: Annotated[
        int, typer.Option("--max-tokens", min=1, help="Longest input in tokens, special ones included.")
    ] = 256
    initial_deviation: Annotated[
        float, typer.Option("--initial-deviation", min=0, help="Standard deviation of its initial weights.")
    ] = 0.02

    separate_embeddings: Annotated[
        bool,
        typer.Option(
            "--separate-embeddings", help="Embeddings and positions of each language of its own; see --separable."
        ),
    ] = False
    separate_layers: Annotated[
        int, typer.Option("--separate-layers", min=0, help="Number of layers, from the first, of each language's own.")
    ] = 0
    separate_softmax: Annotated[
        bool, typer.Option("--separate-softmax", help="Output layer of each language of its own.")
    ] = False
    prefixed: Annotated[
        bool, typer.Option("--prefixed", help="No token shared by languages; for a vocabulary of each language.")
    ] = False
    separable: Annotated[
        bool,
        typer.Option(
            "--separable",
            help="Model that is told the language of a text; implied by the options above, and needed for a "
            "vocabulary of each language.",
        ),
    ] = False

    def separation(self) -> Separation | None:
        """What the languages do not share; None for a model that is not told them."""
        wanted = Separation(self.separate_embeddings, self.separate_layers, self.separate_softmax, self.prefixed)
        return wanted if self.separable or wanted != Separation() else None

    def architecture(self) -> Architecture:
        """The configuration."""
        return Architecture(
            self.family,
            self.layers,
            self.width,
            self.heads,
            self.feed_forward,
            self.max_tokens,
            self.initial_deviation,
            self.separation(),
        )


@dataclass(frozen=True, slots=True)
class PretrainingOptions:
    """How a model is pretrained."""

    form: FormOption = "text"
    stream_tokens: Annotated[
        int,
        typer.Option(
            "--stream-tokens",
            min=0,
            help="Longest stream in tokens; the model's longest input if 0.",
        ),
    ] = 0
    exponent: Annotated[
        float, typer.Option("--exponent", min=0, max=1, help="Exponent of each language's share of the streams.")
    ] = 0.7
    mask_rate: Annotated[
        float, typer.Option("--mask-rate", min=0, max=1, help="Share of the tokens that are predicted.")
    ] = 0.15
    random_within_language: Annotated[
        bool,
        typer.Option("--random-within-language", help="Random tokens of the stream's language alone."),
    ] = False
    source: Annotated[
        str,
        typer.Option("--source", help="Language that chooses the best model; that of the first --corpus if empty."),
    ] = ""
    learning_rate: Annotated[float, typer.Option("--learning-rate", min=0, help="Peak learning rate.")] = 1e-4
    schedule: Annotated[
        str,
        typer.Option(
            "--schedule",
            callback=one_of("linear", "inverse_sqrt", "constant"),
            help="Course of the learning rate after the warm-up.",
        ),
    ] = "linear"
    warmup: Annotated[
        float, typer.Option("--warmup", min=0, max=1, help="Share of the steps in which the learning rate rises.")
    ] = 0.1
    weight_decay: Annotated[float, typer.Option("--weight-decay", min=0, help="Weight decay of matrices.")] = 0.01
    clip: Annotated[float, typer.Option("--clip", min=0, help="Largest norm of the gradient; no bound if 0.")] = 1.0
    epochs: Annotated[float, typer.Option("--epochs", min=0, help="Passes over as many streams as there are.")] = 1.0
    max_steps: Annotated[int, typer.Option("--max-steps", min=0, help="Largest number of steps; no bound if 0.")] = 0
    step_tokens: Annotated[int, typer.Option("--step-tokens", min=1, help="Tokens of an optimiser step.")] = 8192
    accumulation: Annotated[int, typer.Option("--accumulation", min=1, help="Batches accumulated into a step.")] = 1
    evaluations: Annotated[
        int, typer.Option("--evaluations", min=1, help="Evaluations on the development sets an epoch.")
    ] = 1
    dropout: Annotated[
        float | None, typer.Option("--dropout", min=0, help="Dropout; the model's own if not given.")
    ] = None
    dtype: Annotated[
        str, typer.Option("--dtype", callback=one_of("float32", "bfloat16"), help="Arithmetic: float32 or bfloat16.")
    ] = "float32"
    seed: Annotated[int, typer.Option("--seed", help="Seed of weights, order, masks and dropout.")] = 0
    workers: WorkersOption = 1

    def arguments(self) -> dict[str, Any]:
        """The arguments of the client's method."""
        given = {
            "form": self.form,
            "max_tokens": self.stream_tokens,
            "language_exponent": self.exponent,
            "mask_rate": self.mask_rate,
            "random_within_language": self.random_within_language,
            "source": self.source,
            "learning_rate": self.learning_rate,
            "schedule": self.schedule,
            "warmup": self.warmup,
            "weight_decay": self.weight_decay,
            "clip": self.clip,
            "epochs": self.epochs,
            "max_steps": self.max_steps,
            "step_tokens": self.step_tokens,
            "accumulation": self.accumulation,
            "evaluations": self.evaluations,
            "dropout": self.dropout,
            "dtype": self.dtype,
            "seed": self.seed,
            "workers": self.workers,
        }
        return {name: value for name, value in given.items() if value is not None}


@with_options
def pretrain(
    *,
    corpus: CorpusOption,
    dev: Annotated[
        list[str] | None,
        typer.Option("--dev", metavar="LANGUAGE=FILE", help="Development set of a language. May be repeated."),
    ] = None,
    model: Annotated[
        str | None, typer.Option("--model", metavar="NAME", help="Model to go on from, in place of a new one.")
    ] = None,
    vocabulary: Annotated[
        str | None,
        typer.Option(
            "--vocabulary",
            metavar="FILE",
            help="Vocabulary of a new model: tokenizer.json, a stored datasets/DIGEST, or the name of a model; with "
            "{language} in it, a file of each language, for a separable model.",
        ),
    ] = None,
    made: ArchitectureOptions,
    how: PretrainingOptions,
    detach: DetachOption = False,
    results: ResultOptions,
    mesh: MeshOptions,
    context: typer.Context,
) -> None:
    """Pretrains a masked language model, from random weights or from a model.

    The best checkpoint is that of the lowest perplexity on the development set of the source language. It is kept in
    the store as `checkpoints/ID`, which the encoder serves with its predictions of tokens, and `train` starts from.
    """
    if (model is None) == (vocabulary is None):
        raise typer.BadParameter("Expected --vocabulary, for a new model, or --model, but got neither or both")
    if model is not None:
        check_idle(context, ArchitectureOptions, "with --model, which has its own")
    check_lasting(mesh, detach)
    with mesh.open(*SERVICES, models=[model]) as opened:
        job = opened.trainer.pretrain_mlm(
            made.architecture() if model is None else model,
            put_corpora(opened, corpus, "--corpus"),
            vocabulary=put_vocabulary(opened, vocabulary, [place for place, _ in read_sets(corpus, "--corpus")]),
            dev=put_corpora(opened, dev or (), "--dev"),
            **how.arguments(),
        )
        follow(opened, job, detach, results)


def put_corpora(mesh: Mesh, given: Sequence[str], option: str) -> Sets:
    """Names of stored datasets by language; files are stored first, and read while they are sent."""
    sets: list[tuple[str, str]] = []
    for place, where in read_sets(given, option):
        if isinstance(where, Path):
            examples = read_examples(where, options=Options(place.partition("/")[0]))
            sets.append((place, mesh.datagen.put_dataset(some(examples, where), title=where.name).name))
        else:
            sets.append((place, where))
    return sets


def put_vocabulary(mesh: Mesh, given: str | None, places: Sequence[str]) -> str:
    """A stored vocabulary, or the name of a model; a file, or one of each language, is stored first."""
    if given is not None and _LANGUAGE in given:
        if not places:
            raise typer.BadParameter(f"Expected --vocabulary of all languages together, but got {given!r}")
        files = {place.partition("/")[0]: Path(given.replace(_LANGUAGE, place.partition("/")[0])) for place in places}
    else:
        files = {"": Path(given or "")}
    lacking = [str(file) for file in files.values() if not file.is_file()]
    if lacking and len(files) > 1:
        raise typer.BadParameter(f"Expected a vocabulary of each language, but there is no file {lacking[0]}")
    if lacking:
        return given or ""
    parts = [
        part for language, file in files.items() for part in to_examples(file.read_text(encoding="utf-8"), language)
    ]
    return mesh.datagen.put_dataset(parts, title=Path(given or "").name).name

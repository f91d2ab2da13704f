"""`babelscope pretrain`: a masked language model from a corpus, from random weights or from a model."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Final

import typer

from babelscope.calls.jobs import Sets
from babelscope.calls.pretraining import Architecture
from babelscope.cli.options import MeshOptions, one_of, with_options
from babelscope.cli.output import ResultOptions
from babelscope.cli.train import DetachOption, WorkersOption, check_lasting, follow, read_sets
from babelscope.corpora import Options, read_examples
from babelscope.corpora.vocabularies import to_examples
from babelscope.sync.mesh import Mesh

SERVICES: Final = ("metrics", "datagen", "trainer")


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
        )


@dataclass(frozen=True, slots=True)
class PretrainingOptions:
    """How a model is pretrained."""

    form: Annotated[
        str,
        typer.Option(
            "--form",
            callback=one_of("text", "pieces", "ids"),
            help="Form of the lines: running text, or streams of sub-words or of their ids.",
        ),
    ] = "text"
    exponent: Annotated[
        float, typer.Option("--exponent", min=0, max=1, help="Exponent of each language's share of the streams.")
    ] = 0.7
    mask_rate: Annotated[
        float, typer.Option("--mask-rate", min=0, max=1, help="Share of the tokens that are predicted.")
    ] = 0.15
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
            "language_exponent": self.exponent,
            "mask_rate": self.mask_rate,
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
    corpus: Annotated[
        list[str],
        typer.Option(
            "--corpus",
            metavar="LANGUAGE=FILE",
            help="Running text of a language: a file or a stored datasets/DIGEST. May be repeated.",
        ),
    ],
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
            help="Vocabulary of a new model: tokenizer.json, a stored datasets/DIGEST, or the name of a model.",
        ),
    ] = None,
    made: ArchitectureOptions,
    how: PretrainingOptions,
    detach: DetachOption = False,
    results: ResultOptions,
    mesh: MeshOptions,
) -> None:
    """Pretrains a masked language model, from random weights or from a model.

    The best checkpoint is that of the lowest perplexity on the development set of the source language. It is kept in
    the store as `checkpoints/ID`, which the encoder serves with its predictions of tokens, and `train` starts from.
    """
    if (model is None) == (vocabulary is None):
        raise typer.BadParameter("Expected --vocabulary, for a new model, or --model, but got neither or both")
    check_lasting(mesh, detach)
    with mesh.open(*SERVICES) as opened:
        job = opened.trainer.pretrain_mlm(
            made.architecture() if model is None else model,
            _put(opened, corpus, "--corpus"),
            vocabulary=_vocabulary(opened, vocabulary),
            dev=_put(opened, dev or (), "--dev"),
            **how.arguments(),
        )
        follow(opened, job, detach, results)


def _put(mesh: Mesh, given: Sequence[str], option: str) -> Sets:
    """Names of stored datasets by language; files are stored first, and read while they are sent."""
    sets: list[tuple[str, str]] = []
    for place, where in read_sets(given, option):
        if isinstance(where, Path):
            examples = read_examples(where, options=Options(place.partition("/")[0]))
            sets.append((place, mesh.datagen.put_dataset(examples, title=where.name).name))
        else:
            sets.append((place, where))
    return sets


def _vocabulary(mesh: Mesh, given: str | None) -> str:
    """A stored vocabulary, or the name of a model; a file is stored first."""
    if given is None or not Path(given).is_file():
        return given or ""
    text = Path(given).read_text(encoding="utf-8")
    return mesh.datagen.put_dataset(list(to_examples(text)), title=Path(given).name).name

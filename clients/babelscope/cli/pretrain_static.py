"""`babelscope pretrain-static`: a vector for each sub-word of a vocabulary, by word2vec or GloVe."""

from dataclasses import asdict, dataclass
from typing import Annotated

import typer

from babelscope.cli.options import MeshOptions, one_of, with_options
from babelscope.cli.output import ResultOptions
from babelscope.cli.pretrain import SERVICES, CorpusOption, FormOption, put_corpora, put_vocabulary
from babelscope.cli.train import DetachOption, check_lasting, follow


def register(app: typer.Typer) -> None:
    """Adds the command."""
    app.command("pretrain-static")(pretrain_static)


@dataclass(frozen=True, slots=True)
class VectorOptions:
    """How vectors are trained."""

    form: FormOption = "text"
    max_tokens: Annotated[
        int, typer.Option("--max-tokens", min=1, help="Longest stream in tokens, beyond which no context reaches.")
    ] = 256
    dimension: Annotated[int, typer.Option("--dimension", min=1, help="Numbers of a vector.")] = 768
    window: Annotated[int, typer.Option("--window", min=1, help="Tokens to each side that are context.")] = 10
    min_count: Annotated[
        int, typer.Option("--min-count", min=1, help="Fewest occurrences of a token that gets a vector of its own.")
    ] = 1
    epochs: Annotated[
        int, typer.Option("--epochs", min=0, help="Number of passes; 5 for word2vec and 25 for GloVe if 0.")
    ] = 0
    learning_rate: Annotated[
        float, typer.Option("--learning-rate", min=0, help="Learning rate; 0.025 for word2vec and 0.05 for GloVe if 0.")
    ] = 0.0
    negative: Annotated[
        int | None,
        typer.Option("--negative", min=1, help="Tokens drawn against each that word2vec predicts; 5 if not given."),
    ] = None
    seed: Annotated[int, typer.Option("--seed", help="Seed of vectors, samples and order.")] = 0


@with_options
def pretrain_static(
    *,
    kind: Annotated[
        str,
        typer.Option("--kind", callback=one_of("word2vec", "word2vec_cbow", "glove"), help="Method of training."),
    ],
    corpus: CorpusOption,
    vocabulary: Annotated[
        str,
        typer.Option(
            "--vocabulary",
            metavar="FILE",
            help="Vocabulary: tokenizer.json, a stored datasets/DIGEST, or the name of a model.",
        ),
    ],
    how: VectorOptions,
    detach: DetachOption = False,
    results: ResultOptions,
    mesh: MeshOptions,
) -> None:
    """Trains a vector for each sub-word of a vocabulary.

    The checkpoint is a model of one layer, which the encoder serves; it holds the vectors as vectors.vec, too.
    """
    if kind == "glove" and how.negative is not None:
        raise typer.BadParameter("Expected no --negative with --kind glove, which draws no tokens")
    check_lasting(mesh, detach)
    with mesh.open(*SERVICES) as opened:
        job = opened.trainer.pretrain_static(
            kind,
            put_corpora(opened, corpus, "--corpus"),
            vocabulary=put_vocabulary(opened, vocabulary, ()),
            **{name: value for name, value in asdict(how).items() if value is not None},
        )
        follow(opened, job, detach, results)

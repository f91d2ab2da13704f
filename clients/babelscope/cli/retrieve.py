"""`babelscope retrieve`: translations found again, among sentences or among the words of a vocabulary."""

from dataclasses import asdict, dataclass
from typing import Annotated, Any

import typer

from babelscope.cli.console import ProgressReport
from babelscope.cli.interventions import EditOptions
from babelscope.cli.measure import PairOptions, parallel_views, show
from babelscope.cli.options import (
    FormatOption,
    MeshOptions,
    ModelOrNoneOption,
    one_of,
    with_options,
)
from babelscope.cli.output import ResultOptions
from babelscope.cli.vocabularies import DictionaryOptions, Side
from babelscope.corpora import read_word_pairs


@dataclass(frozen=True, slots=True)
class SearchOptions:
    """How neighbours are found and counted."""

    similarity: Annotated[
        list[str] | None,
        typer.Option("--similarity", help="Similarity: cosine or csls; both if not given. May be repeated."),
    ] = None
    rank: Annotated[
        list[int] | None,
        typer.Option("--rank", min=1, help="Rank k of precision at k; 1, 5 and 10 if not given. May be repeated."),
    ] = None
    csls_k: Annotated[int, typer.Option("--csls-k", min=1, help="Number of neighbours for CSLS.")] = 10
    centre: Annotated[bool, typer.Option("--centre", help="Subtract each language's mean first.")] = False
    index: Annotated[
        str,
        typer.Option(
            "--index",
            callback=one_of("exact", "ivf", "hnsw"),
            help="Index of the candidates: exact, or for very many candidates an approximate one: ivf or hnsw.",
        ),
    ] = "exact"

    def settings(self) -> dict[str, Any]:
        """The arguments of a retrieval, as the client's method names them."""
        return {
            "similarities": self.similarity or [],
            "ranks": self.rank or [],
            "csls_k": self.csls_k,
            "centre": self.centre,
            "index": self.index,
        }


def register(app: typer.Typer) -> None:
    """Adds the command."""
    app.command("retrieve")(retrieve)


@with_options
def retrieve(
    *,
    model: ModelOrNoneOption = None,
    parallel: Annotated[
        list[str] | None,
        typer.Option(
            "--parallel", metavar="LANGUAGE=FILE", help="One side of the parallel corpus; given at least twice."
        ),
    ] = None,
    dictionary: DictionaryOptions,
    search: SearchOptions,
    format: FormatOption = None,  # noqa: A002
    encode: EditOptions,
    pairs: PairOptions,
    results: ResultOptions,
    mesh: MeshOptions,
) -> None:
    """Retrieval of translations, layer by layer, in both directions: sentences by their ids, or words by a dictionary.

    Sentences: `--parallel en=en.txt --parallel fr=fr.txt`. Words by themselves: `--gold en-fr.tsv --words en --words
    fr`; with `--embedding-table` each is its row of the word embedding table. Words in their contexts: `--gold
    en-fr.tsv --corpus en=en.txt --corpus fr=fr.txt`, each the mean over all its occurrences in the corpus.
    """
    options = {**search.settings(), **encode.settings(model), **asdict(pairs)}
    if dictionary.gold is None:
        if dictionary.words or dictionary.corpus:
            raise typer.BadParameter("Expected --words and --corpus only with --gold FILE, but got no dictionary")
        if dictionary.max_words or dictionary.match_case or dictionary.embedding_table:
            raise typer.BadParameter(
                "Expected --max-words, --match-case and --embedding-table only with --gold FILE, but got none"
            )
        views = parallel_views(parallel or [], format, encode)
        sides: list[Side] = []
    else:
        if parallel:
            raise typer.BadParameter("Expected either --parallel or --gold, but got both")
        known = read_word_pairs(dictionary.gold)
        sides = dictionary.sides(known, format, encode)
        views = {}
        options["gold"] = known.pairs
    encoded = bool(views) or any(side.encoded for side in sides)
    if encoded and model is None:
        raise typer.BadParameter("Expected --model NAME where texts or words are to be encoded, but got none")
    services = ("encoder", "metrics") if encoded else ("metrics",)
    with mesh.open(*services, models=[model]) as opened, ProgressReport("Retrieving") as report:
        views |= {side.language: side.view(opened, encode.settings(model), report.update) for side in sides}
        found = opened.metrics.retrieve(views, progress=report.update, **options)
    show(found, results)

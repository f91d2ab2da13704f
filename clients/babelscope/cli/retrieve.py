"""`babelscope retrieve`: translations found again, among sentences or among the words of a vocabulary."""

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated, Any

import typer

from babelscope.calls.views import View
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
from babelscope.corpora import WordPairs, as_words, read_word_pairs, read_word_vectors, read_words
from babelscope.corpora.word_vectors import holds_vectors


@dataclass(frozen=True, slots=True)
class DictionaryOptions:
    """A dictionary whose words are retrieved in place of sentences."""

    gold: Annotated[
        Path | None,
        typer.Option("--gold", metavar="FILE", help="Dictionary of word pairs: words are retrieved, not sentences."),
    ] = None
    words: Annotated[
        list[str] | None,
        typer.Option(
            "--words",
            metavar="LANGUAGE[=FILE]",
            help="Source and then target language of --gold. FILE is the vocabulary, one word a line, or fastText "
            "vectors (.vec); without it, the vocabulary is the dictionary's own words.",
        ),
    ] = None
    max_words: Annotated[
        int, typer.Option("--max-words", min=0, help="Number of words of a vocabulary; all with 0.")
    ] = 0


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

    Sentences: `--parallel en=en.txt --parallel fr=fr.txt`. Words: `--gold en-fr.tsv --words en --words fr`.
    """
    options = {**search.settings(), **encode.settings(model), **asdict(pairs)}
    if dictionary.gold is None:
        if dictionary.words:
            raise typer.BadParameter("Expected --words only with --gold FILE, but got no dictionary")
        views = parallel_views(parallel or [], format, encode)
    else:
        if parallel:
            raise typer.BadParameter("Expected either --parallel or --gold, but got both")
        known = read_word_pairs(dictionary.gold)
        views = _word_views(dictionary.words or [], known, dictionary.max_words, encode)
        options["gold"] = known.pairs
    encoded = any(view.texts is not None for view in views.values())
    if encoded and model is None:
        raise typer.BadParameter("Expected --model NAME where texts or words are to be encoded, but got none")
    services = ("encoder", "metrics") if encoded else ("metrics",)
    with mesh.open(*services) as opened, ProgressReport("Retrieving") as report:
        found = opened.metrics.retrieve(views, progress=report.update, **options)
    show(found, results)


def _word_views(given: list[str], pairs: WordPairs, limit: int, encode: EditOptions) -> dict[str, View]:
    """The vocabularies of the source and of the target language."""
    parts = [value.partition("=") for value in given]
    named = {language: file for language, _, file in parts}
    if len(given) != 2 or len(named) != 2 or not all(named):
        shown = ", ".join(given) or "none"
        raise typer.BadParameter(
            f"Expected --words LANGUAGE[=FILE] twice, for the dictionary's source and its target, but got {shown}"
        )
    views = {}
    for (language, file), words in zip(named.items(), (pairs.sources, pairs.targets), strict=True):
        if file and holds_vectors(file):
            read = read_word_vectors(file, limit=limit)
            views[language] = View(activations=read.vectors, ids=read.words, language=language)
        else:
            texts = (
                read_words(file, language=language, limit=limit) if file else as_words(words[: limit or None], language)
            )
            views[language] = View(texts=texts, interventions=encode.edits(language), language=language)
    return views

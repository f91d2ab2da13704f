"""`babelscope retrieve`: translations found again, among sentences or among the words of a vocabulary."""

from pathlib import Path
from typing import Annotated, Any

import typer

from babelscope.calls.views import View
from babelscope.cli.console import ProgressReport
from babelscope.cli.measure import AlignmentOption, OutOption, PairingOption, PoolingOption, parallel_views, show
from babelscope.cli.options import (
    CaOption,
    DtypeOption,
    FormatOption,
    LayersOption,
    MeshOption,
    OverflowOption,
    RandomInitOption,
    RevisionOption,
    SeedOption,
    StoreOption,
    TokenOption,
    one_of,
    open_mesh,
    read_layers,
    read_model,
)
from babelscope.corpora import WordPairs, as_words, read_word_pairs, read_word_vectors, read_words

_VECTORS = (".vec", ".vec.gz")


def register(app: typer.Typer) -> None:
    """Adds the command."""
    app.command("retrieve")(retrieve)


def retrieve(
    *,
    model: Annotated[
        str | None,
        typer.Option("--model", metavar="NAME", help="A hub id, a folder under the encoder's roots, or an alias."),
    ] = None,
    parallel: Annotated[
        list[str] | None,
        typer.Option("--parallel", metavar="LANGUAGE=FILE", help="A side of the parallel corpus. At least two."),
    ] = None,
    gold: Annotated[
        Path | None,
        typer.Option("--gold", metavar="FILE", help="A dictionary of word pairs: words are retrieved, not sentences."),
    ] = None,
    words: Annotated[
        list[str] | None,
        typer.Option(
            "--words",
            metavar="LANGUAGE[=FILE]",
            help="With --gold, its source and then its target language. FILE is the vocabulary, a word a line, or "
            "vectors as fastText writes them (.vec); with none, the words of the dictionary.",
        ),
    ] = None,
    max_words: Annotated[int, typer.Option("--max-words", min=0, help="Words of a vocabulary; all with 0.")] = 0,
    similarity: Annotated[
        list[str] | None, typer.Option("--similarity", help="cosine, csls; both with none. May be repeated.")
    ] = None,
    rank: Annotated[
        list[int] | None, typer.Option("--rank", min=1, help="Ranks of precision; 1, 5, 10 with none.")
    ] = None,
    csls_k: Annotated[int, typer.Option("--csls-k", min=1, help="Neighbours of CSLS.")] = 10,
    centre: Annotated[bool, typer.Option("--centre", help="Subtract each language's mean first.")] = False,
    index: Annotated[
        str,
        typer.Option(
            "--index",
            callback=one_of("exact", "ivf", "hnsw"),
            help="exact, or for very many candidates an approximate index: ivf, hnsw.",
        ),
    ] = "exact",
    format: FormatOption = None,  # noqa: A002
    layers: LayersOption = None,
    pooling: PoolingOption = "mean",
    revision: RevisionOption = "",
    random_init: RandomInitOption = None,
    seed: SeedOption = 0,
    overflow: OverflowOption = "refuse",
    alignment: AlignmentOption = "strict",
    layer_pairing: PairingOption = "same",
    compute_dtype: DtypeOption = "float32",
    out: OutOption = None,
    mesh: MeshOption = None,
    store: StoreOption = None,
    ca: CaOption = None,
    token: TokenOption = None,
) -> None:
    """Retrieval of translations, layer by layer, in both directions: sentences by their ids, or words by a dictionary.

    Sentences: `--parallel en=en.txt --parallel fr=fr.txt`. Words: `--gold en-fr.tsv --words en --words fr`.
    """
    options: dict[str, Any] = {
        "similarities": similarity or [],
        "ranks": rank or [],
        "csls_k": csls_k,
        "centre": centre,
        "index": index,
        "model": None if model is None else read_model(model, revision, random_init, seed),
        "layers": read_layers(layers),
        "pooling": pooling,
        "overflow": overflow,
        "alignment": alignment,
        "layer_pairing": layer_pairing,
        "compute_dtype": compute_dtype,
    }
    if gold is None:
        if words:
            raise typer.BadParameter("Expected --words only with --gold FILE, but got no dictionary")
        views = parallel_views(parallel or [], format)
    else:
        if parallel:
            raise typer.BadParameter("Expected either --parallel or --gold, but got both")
        pairs = read_word_pairs(gold)
        views = _word_views(words or [], pairs, max_words)
        options["gold"] = pairs.pairs
    encoded = any(view.texts is not None for view in views.values())
    if encoded and model is None:
        raise typer.BadParameter("Expected --model NAME where texts or words are to be encoded, but got none")
    services = ("encoder", "metrics") if encoded else ("metrics",)
    with (
        open_mesh(mesh, services, store=store, ca=ca, token=token) as opened,
        ProgressReport("Retrieving") as report,
    ):
        found = opened.metrics.retrieve(views, progress=report.update, **options)
    show(found, out)


def _word_views(given: list[str], pairs: WordPairs, limit: int) -> dict[str, View]:
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
        if file.lower().endswith(_VECTORS):
            read = read_word_vectors(file, limit=limit)
            views[language] = View(activations=read.vectors, ids=read.words, language=language)
        else:
            texts = (
                read_words(file, language=language, limit=limit) if file else as_words(words[: limit or None], language)
            )
            views[language] = View(texts=texts, language=language)
    return views

"""`babelscope fit-map`: a linear map between two languages, its trace and the dictionary that it induces."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated, Any

import typer

from babelscope.calls.maps import FittedMap
from babelscope.calls.views import View
from babelscope.cli.console import ProgressReport, note
from babelscope.cli.options import EncodeOptions, MeshOptions, ModelOrNoneOption, read_named, with_options
from babelscope.cli.output import folder, print_table, write_results
from babelscope.corpora import read_texts, read_word_pairs, read_word_vectors, read_words
from babelscope.corpora.word_vectors import holds_vectors
from babelscope.data.atomic import write_atomically
from babelscope.data.npz import read_npz

_SHOWN = ("layer", "source_map", "target_map", "steps", "criterion", "pairs", "signature")


@dataclass(frozen=True, slots=True)
class SideOptions:
    """The two sides of a map."""

    source: Annotated[
        str,
        typer.Option(
            "--source",
            metavar="LANGUAGE=FILE",
            help="Source side: a corpus, fastText vectors of words (.vec), or hidden states from `encode` (.npz). The "
            "most frequent words come first.",
        ),
    ]
    target: Annotated[str, typer.Option("--target", metavar="LANGUAGE=FILE", help="Target side, in the same forms.")]
    max_words: Annotated[int, typer.Option("--max-words", min=0, help="Number of words of a side; all with 0.")] = 0
    format: Annotated[
        str | None,
        typer.Option(
            "--format",
            help="Format of corpora: words (a word a line), lines, tsv, ...; found from the file if not given.",
        ),
    ] = None


def register(app: typer.Typer) -> None:
    """Adds the command."""
    app.command("fit-map")(fit_map)


@with_options
def fit_map(
    method: Annotated[
        str,
        typer.Argument(
            metavar="METHOD", help="Name of the method, such as procrustes; `babelscope list methods` names all."
        ),
    ],
    *,
    sides: SideOptions,
    seeds: Annotated[
        Path | None,
        typer.Option("--seeds", metavar="FILE", help="Known translations: a source and a target word, or id, a line."),
    ] = None,
    option: Annotated[
        list[str] | None,
        typer.Option(
            "--option",
            metavar="NAME=VALUE",
            help="Option of the method, such as refinements=5. May be repeated. `babelscope list methods METHOD` names "
            "all.",
        ),
    ] = None,
    seed: Annotated[int, typer.Option("--seed", help="Seed of all that the method draws.")] = 0,
    model: ModelOrNoneOption = None,
    encode: EncodeOptions,
    out: Annotated[Path, folder("dictionary-LAYER.tsv, results.json and results.csv")],
    mesh: MeshOptions,
) -> None:
    """Learns a linear map between two languages, one a layer; the store keeps the maps.

    Servers started here keep them in DIR/store where no --store is given. Known translations outside the vocabularies
    are left out and counted.
    """
    options = read_named(option or [], "--option")
    given = {"source": sides.source, "target": sides.target}
    views = {side: _view(each, side, sides.format, sides.max_words) for side, each in given.items()}
    known = () if seeds is None else _known(seeds, views)
    encoded = any(view.texts is not None for view in views.values())
    if encoded and model is None:
        raise typer.BadParameter("Expected --model NAME where texts or words are to be encoded, but got none")
    out.mkdir(parents=True, exist_ok=True)
    services = ("encoder", "metrics") if encoded else ("metrics",)
    with mesh.open(*services, store=out / "store", models=[model]) as opened, ProgressReport("Fitting") as report:
        found = opened.metrics.fit_map(
            views["source"],
            views["target"],
            method,
            seeds=known,
            options=options,
            seed=seed,
            progress=report.update,
            **encode.settings(model),
        )
    _write(found, out)
    write_results(out, _record(found, method), _tidy(found, method, views))
    for warning in dict.fromkeys(warning for each in found.values() for warning in each.warnings):
        note(f"Beware: {warning}")
    print_table([_row(each) for each in found.values()], _SHOWN)


def _view(given: str, side: str, format: str | None, limit: int) -> View:  # noqa: A002
    """One side, from its file."""
    language, equals, name = given.partition("=")
    if not (language and equals and name):
        raise typer.BadParameter(f"Expected --{side} LANGUAGE=FILE, but got {given!r}")
    path = Path(name)
    if path.suffix.lower() == ".npz":
        return _hidden_states(path, language, limit)
    if format is None and holds_vectors(path):
        read = read_word_vectors(path, limit=limit)
        return View(activations=read.vectors, ids=read.words, language=language)
    if format == "words":
        return View(texts=read_words(path, language=language, limit=limit), language=language)
    texts = read_texts(path, format=format, language=language)
    return View(texts=texts[: limit or None], language=language)


def _hidden_states(path: Path, language: str, limit: int) -> View:
    """Hidden states that `encode` wrote."""
    try:
        found = read_npz(path)
        rows, layers, ids = (found[name] for name in ("activations", "layers", "ids"))
    except (KeyError, ValueError) as error:
        raise typer.BadParameter(f"Expected arrays that `encode` wrote in {path}: {error}") from None
    if rows.ndim != 3 or len(rows) != len(ids):
        raise typer.BadParameter(
            f"Expected a row a text in {path}, as --pooling mean or cls gives, but got {len(ids)} texts and rows of "
            f"shape {list(rows.shape)}"
        )
    chosen = slice(limit or None)
    return View(
        activations=rows[chosen],
        ids=[str(one) for one in ids[chosen]],
        layers=[int(layer) for layer in layers],
        language=language,
    )


def _known(path: Path, views: Mapping[str, View]) -> list[tuple[str, str]]:
    """Known translations within both vocabularies; says how many are not."""
    pairs = read_word_pairs(path).pairs
    sources, targets = (_ids(view) for view in views.values())
    kept = [(one, other) for one, other in pairs if one in sources and other in targets]
    if not kept:
        raise typer.BadParameter(f"Expected pairs of {path} within both sides, but none of {len(pairs)} is")
    if len(kept) < len(pairs):
        note(f"{len(kept)} of {len(pairs)} pairs of {path} used; the others are outside the vocabularies")
    return kept


def _ids(view: View) -> set[str]:
    """Ids of a side's rows."""
    if view.ids is not None:
        return set(view.ids)
    return {text.id if not isinstance(text, str) else text for text in view.texts or ()}


def _row(found: FittedMap) -> dict[str, Any]:
    """A map in a line."""
    return {
        "layer": found.layer,
        "source_map": found.source_map,
        "target_map": found.target_map,
        "steps": len(found.trace),
        "criterion": found.trace[-1],
        "pairs": len(found.dictionary),
        "signature": found.signature,
    }


def _record(found: Mapping[int, FittedMap], method: str) -> dict[str, Any]:
    """What is known of the maps; the dictionaries have files of their own."""
    maps = [{name: value for name, value in asdict(each).items() if name != "dictionary"} for each in found.values()]
    return {"kind": "map", "method": method, "maps": maps}


def _tidy(found: Mapping[int, FittedMap], method: str, views: Mapping[str, View]) -> list[dict[str, Any]]:
    """The last criterion and the size of the dictionary of each map as rows of the tidy table."""
    shared = {"kind": "map", "estimator": method, **{side: view.language for side, view in views.items()}}
    return [
        {**shared, "layer": each.layer, "metric": metric, "value": value, "signature": each.signature}
        for each in found.values()
        for metric, value in (("criterion", each.trace[-1]), ("induced", len(each.dictionary)))
    ]


def _write(found: Mapping[int, FittedMap], out: Path) -> None:
    """Writes the induced dictionaries."""
    for layer, each in found.items():
        if each.dictionary:
            lines = "".join(f"{one}\t{other}\n" for one, other in each.dictionary)
            write_atomically(out / f"dictionary-{layer}.tsv", lines)

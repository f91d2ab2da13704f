"""`babelscope fit-map`: a linear map between two languages, its trace and the dictionary that it induces."""

import json
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import typer

from babelscope.calls.maps import FittedMap
from babelscope.calls.views import View
from babelscope.cli.console import ProgressReport, note
from babelscope.cli.measure import PoolingOption
from babelscope.cli.options import (
    CaOption,
    DtypeOption,
    LayersOption,
    MeshOption,
    OverflowOption,
    RevisionOption,
    StoreOption,
    TokenOption,
    open_mesh,
    read_layers,
    read_named,
)
from babelscope.cli.output import print_table
from babelscope.corpora import read_texts, read_word_pairs, read_word_vectors, read_words
from babelscope.data.models import Model

_VECTORS = (".vec", ".vec.gz")
_SHOWN = ("layer", "source_map", "target_map", "steps", "criterion", "pairs", "signature")


def register(app: typer.Typer) -> None:
    """Adds the command."""
    app.command("fit-map")(fit_map)


def fit_map(
    method: Annotated[str, typer.Argument(metavar="METHOD", help="procrustes, vecmap, muse or dema.")],
    *,
    source: Annotated[
        str,
        typer.Option(
            "--source",
            metavar="LANGUAGE=FILE",
            help="The source side: a corpus, vectors of words as fastText writes them (.vec), or hidden states that "
            "`encode` wrote (.npz). The most frequent words come first.",
        ),
    ],
    target: Annotated[str, typer.Option("--target", metavar="LANGUAGE=FILE", help="The target side.")],
    out: Annotated[Path, typer.Option("--out", metavar="DIR", help="Folder for maps.json and dictionary-LAYER.tsv.")],
    seeds: Annotated[
        Path | None,
        typer.Option("--seeds", metavar="FILE", help="Known translations: a source and a target word, or id, a line."),
    ] = None,
    option: Annotated[
        list[str] | None,
        typer.Option("--option", metavar="NAME=VALUE", help="Of the method: refinements=5. May be repeated."),
    ] = None,
    seed: Annotated[int, typer.Option("--seed", help="Of all that is drawn.")] = 0,
    max_words: Annotated[int, typer.Option("--max-words", min=0, help="Words of either side; all with 0.")] = 0,
    format: Annotated[  # noqa: A002
        str | None,
        typer.Option("--format", help="Of corpora: words (a word a line), lines, tsv, ...; told from the file."),
    ] = None,
    model: Annotated[
        str | None,
        typer.Option(
            "--model", metavar="NAME", help="For corpora: a hub id, a folder under the encoder's roots, or an alias."
        ),
    ] = None,
    revision: RevisionOption = "",
    layers: LayersOption = None,
    pooling: PoolingOption = "mean",
    overflow: OverflowOption = "refuse",
    compute_dtype: DtypeOption = "float32",
    mesh: MeshOption = None,
    store: StoreOption = None,
    ca: CaOption = None,
    token: TokenOption = None,
) -> None:
    """Learns a linear map between two languages, one a layer; the store keeps the maps.

    Servers started here keep them in DIR/store where no --store is given. Known translations outside the vocabularies
    are left out and counted.
    """
    options = read_named(option or [], "--option")
    views = {side: _view(given, side, format, max_words) for side, given in (("source", source), ("target", target))}
    known = () if seeds is None else _known(seeds, views)
    encoded = any(view.texts is not None for view in views.values())
    if encoded and model is None:
        raise typer.BadParameter("Expected --model NAME where texts or words are to be encoded, but got none")
    out.mkdir(parents=True, exist_ok=True)
    if mesh is None and store is None:
        store = str(out / "store")
    services = ("encoder", "metrics") if encoded else ("metrics",)
    with (
        open_mesh(mesh, services, store=store, ca=ca, token=token) as opened,
        ProgressReport("Fitting") as report,
    ):
        found = opened.metrics.fit_map(
            views["source"],
            views["target"],
            method,
            seeds=known,
            options=options,
            seed=seed,
            model=None if model is None else Model(model, revision),
            layers=read_layers(layers),
            pooling=pooling,  # type: ignore[arg-type]  # checked by the option
            overflow=overflow,  # type: ignore[arg-type]
            compute_dtype=compute_dtype,  # type: ignore[arg-type]
            progress=report.update,
        )
    _write(found, out)
    for warning in dict.fromkeys(warning for each in found.values() for warning in each.warnings):
        note(f"Beware: {warning}")
    print_table([_row(each) for each in found.values()], _SHOWN)


def _view(given: str, side: str, format: str | None, limit: int) -> View:  # noqa: A002
    """One side, from its file."""
    language, equals, name = given.partition("=")
    if not (language and equals and name):
        raise typer.BadParameter(f"Expected --{side} LANGUAGE=FILE, but got {given!r}")
    path = Path(name)
    if name.lower().endswith(_VECTORS):
        read = read_word_vectors(path, limit=limit)
        return View(activations=read.vectors, ids=read.words, language=language)
    if path.suffix.lower() == ".npz":
        return _hidden_states(path, language, limit)
    if format == "words":
        return View(texts=read_words(path, language=language, limit=limit), language=language)
    texts = read_texts(path, format=format, language=language)
    return View(texts=texts[: limit or None], language=language)


def _hidden_states(path: Path, language: str, limit: int) -> View:
    """Hidden states that `encode` wrote."""
    try:
        with np.load(path, allow_pickle=False) as file:
            rows, layers, ids = (file[name] for name in ("activations", "layers", "ids"))
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


def _write(found: Mapping[int, FittedMap], out: Path) -> None:
    """Writes what is known of the maps, and their dictionaries."""
    maps = []
    for layer, each in found.items():
        about = asdict(each)
        pairs = about.pop("dictionary")
        maps.append(about)
        if pairs:
            lines = "".join(f"{one}\t{other}\n" for one, other in pairs)
            (out / f"dictionary-{layer}.tsv").write_text(lines, encoding="utf-8")
    text = json.dumps({"maps": maps}, ensure_ascii=False, indent=1)
    (out / "maps.json").write_text(f"{text}\n", encoding="utf-8")

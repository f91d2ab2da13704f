"""`babelscope project`: coordinates of several languages' texts on common axes, for plotting."""

from dataclasses import asdict, replace
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import typer

from babelscope.calls.projection import Projection
from babelscope.calls.views import View
from babelscope.cli.console import ProgressReport, note
from babelscope.cli.interventions import TokenOptions
from babelscope.cli.measure import tell_views
from babelscope.cli.options import (
    FormatOption,
    MeshOptions,
    ModelOption,
    one_of,
    read_named,
    with_options,
)
from babelscope.cli.output import file, folder, print_table, write_results, write_rows
from babelscope.corpora import read_units
from babelscope.data.activations import Activations
from babelscope.data.atomic import whole
from babelscope.data.comparison import ViewUse

_SHARES = ("layer", "component", "explained_variance")
_COORDINATES = ("coordinates.csv", "coordinates.npz")


def register(app: typer.Typer) -> None:
    """Adds the command."""
    app.command("project")(project)


@with_options
def project(
    *,
    model: ModelOption,
    corpus: Annotated[
        list[str],
        typer.Option("--corpus", metavar="LANGUAGE=FILE", help="Texts of one language. May be repeated."),
    ],
    method: Annotated[
        str, typer.Option("--method", callback=one_of("pca", "umap"), help="Method of projection: pca or umap.")
    ] = "pca",
    components: Annotated[int, typer.Option("--components", min=1, help="Number of coordinates of a text.")] = 2,
    method_seed: Annotated[int, typer.Option("--method-seed", help="Seed of umap.")] = 0,
    format: FormatOption = None,  # noqa: A002
    encode: TokenOptions,
    out: Annotated[Path | None, folder(f"{', '.join(_COORDINATES)}, results.json and results.csv")] = None,
    output: Annotated[Path | None, file("the coordinates", ".csv", ".npz")] = None,
    mesh: MeshOptions,
) -> None:
    """Coordinates of all texts on axes fitted to all languages together, layer by layer.

    A .csv has a row a text a layer; a .npz has `coordinates` (rows x layers x components), `views` and `ids` of the
    rows, `layers`, `explained_variance` (layers x components, none for umap) and `signatures`. The share of
    variance of each component is printed.
    """
    if out is None and output is None:
        raise typer.BadParameter("Expected --out DIR or --output FILE, but got neither")
    settings = encode.settings(model)
    texts = {
        language: read_units(Path(path), encode.pooling, format=format, language=language)
        for language, path in read_named(corpus, "--corpus").items()
    }
    interventions = encode.edits(texts)
    states: dict[str, Activations] = {}
    with mesh.open("encoder", "metrics", models=[model]) as opened, ProgressReport("Projecting") as report:
        if encode.pooling == "token":
            # How many rows a text has is known only to the model: tokens are encoded first and sent as activations.
            states = {
                name: opened.encoder.encode(each, progress=report.update, interventions=interventions[name], **settings)
                for name, each in texts.items()
            }
            views, settings = {name: View(activations=each, language=name) for name, each in states.items()}, {}
        else:
            views = {
                name: View(texts=each, interventions=interventions[name], language=name) for name, each in texts.items()
            }
        found = opened.metrics.project(
            views, components, method=method, seed=method_seed, progress=report.update, **settings
        )
    tell_views(
        replace(view, truncated=int(states[view.name].truncated.sum())) if view.name in states else view
        for view in found.views
    )
    for warning in dict.fromkeys(warning for each in found.warnings.values() for warning in each):
        note(f"Beware: {warning}")
    written = [output] if output is not None else []
    if out is not None:
        write_results(out, _record(found, method), _tidy(found, model, method, encode.pooling))
        written += [out / name for name in _COORDINATES]
    for path in written:
        _save(found, path)
    print_table(_shares(found), _SHARES)
    rows = sum(map(len, found.ids.values()))
    note(f"{rows} rows at layers {list(found.layers)}: {' and '.join(map(str, written))}")


def _shares(found: Projection) -> list[dict[str, Any]]:
    """The share of variance of each component, layer by layer."""
    return [
        {"layer": layer, "component": component, "explained_variance": share}
        for layer, shares in found.explained_variance.items()
        for component, share in enumerate(shares, 1)
    ]


def _record(found: Projection, method: str) -> dict[str, Any]:
    """All but the coordinates, which have files of their own."""
    return {
        "kind": "projection",
        "method": method,
        "views": [{**asdict(view), **asdict(found.uses.get(view.name, ViewUse()))} for view in found.views],
        "layers": [
            {
                "layer": layer,
                "explained_variance": list(found.explained_variance.get(layer, ())),
                "signature": found.signatures[layer],
                "warnings": list(found.warnings.get(layer, ())),
            }
            for layer in found.layers
        ],
    }


def _tidy(found: Projection, model: str, method: str, pooling: str) -> list[dict[str, Any]]:
    """The share of variance of each component as rows of the tidy table."""
    rows = sum(map(len, found.ids.values()))
    return [
        {
            "kind": "projection",
            "metric": "explained_variance",
            "estimator": f"{method} axis {each['component']}",
            "model": model,
            "pooling": pooling,
            "layer": each["layer"],
            "value": each["explained_variance"],
            "n": rows,
            "signature": found.signatures[each["layer"]],
        }
        for each in _shares(found)
    ]


def _save(found: Projection, out: Path) -> None:
    """Writes the coordinates, as a table or as arrays, whole or not at all."""
    if out.suffix.lower() == ".csv":
        axes = [f"x{axis}" for axis in range(1, found.components + 1)]
        write_rows(found.table(), ("view", "language", "model", "layer", "id", *axes), out)
        return
    names = list(found.ids)
    with whole(out) as file:
        np.savez(
            file,
            coordinates=np.concatenate(
                [np.stack([found.coordinates[name, layer] for layer in found.layers], axis=1) for name in names]
            ),
            views=np.array([name for name in names for _ in found.ids[name]], np.str_),
            ids=np.array([one for name in names for one in found.ids[name]], np.str_),
            layers=np.array(found.layers),
            explained_variance=np.array([found.explained_variance[layer] for layer in found.layers]),
            signatures=np.array([found.signatures[layer] for layer in found.layers], np.str_),
        )

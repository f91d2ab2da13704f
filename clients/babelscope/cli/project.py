"""`babelscope project`: coordinates of several languages' texts on common axes, for plotting."""

from pathlib import Path
from typing import Annotated, Any

import numpy as np
import typer

from babelscope.calls.projection import Projection
from babelscope.calls.views import View
from babelscope.cli.console import ProgressReport, note
from babelscope.cli.options import (
    CaOption,
    DtypeOption,
    FormatOption,
    LayersOption,
    MeshOption,
    ModelOption,
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
    read_named,
)
from babelscope.cli.output import check_table, print_table, whole, write_rows
from babelscope.corpora import read_texts

_SHARES = ("layer", "component", "explained_variance")


def register(app: typer.Typer) -> None:
    """Adds the command."""
    app.command("project")(project)


def project(
    *,
    model: ModelOption,
    corpus: Annotated[
        list[str],
        typer.Option(
            "--corpus", metavar="LANGUAGE=FILE", help="Texts of one language. At least one; need no common ids."
        ),
    ],
    out: Annotated[Path, typer.Option("--out", metavar="FILE", help="A .csv or .npz file for the coordinates.")],
    method: Annotated[str, typer.Option("--method", callback=one_of("pca", "umap"), help="pca or umap.")] = "pca",
    components: Annotated[int, typer.Option("--components", min=1, help="Coordinates of a text.")] = 2,
    method_seed: Annotated[int, typer.Option("--method-seed", help="Seed of umap.")] = 0,
    format: FormatOption = None,  # noqa: A002
    layers: LayersOption = None,
    pooling: Annotated[
        str, typer.Option("--pooling", callback=one_of("mean", "cls", "token"), help="mean, cls, or token: a row each.")
    ] = "mean",
    revision: RevisionOption = "",
    random_init: RandomInitOption = None,
    seed: SeedOption = 0,
    overflow: OverflowOption = "refuse",
    compute_dtype: DtypeOption = "float32",
    mesh: MeshOption = None,
    store: StoreOption = None,
    ca: CaOption = None,
    token: TokenOption = None,
) -> None:
    """Coordinates of all texts on axes fitted to all languages together, layer by layer.

    A .csv has a row a text a layer; a .npz has `coordinates` (rows x layers x components), `views` and `ids` of the
    rows, `layers`, `explained_variance` (layers x components, none for umap) and `signatures`. The share of
    variance of each component is printed.
    """
    check_table(out, ".csv", ".npz")
    encode: dict[str, Any] = {
        "model": read_model(model, revision, random_init, seed),
        "layers": read_layers(layers),
        "pooling": pooling,
        "overflow": overflow,
        "compute_dtype": compute_dtype,
    }
    texts = {
        language: read_texts(Path(path), format=format, language=language)
        for language, path in read_named(corpus, "--corpus").items()
    }
    with (
        open_mesh(mesh, ("encoder", "metrics"), store=store, ca=ca, token=token) as opened,
        ProgressReport("Projecting") as report,
    ):
        if pooling == "token":
            # The metrics server takes a row a text: tokens are encoded first and sent as activations.
            states = {
                name: opened.encoder.encode(each, progress=report.update, **encode) for name, each in texts.items()
            }
            views, encode = {name: View(activations=each, language=name) for name, each in states.items()}, {}
        else:
            views = {name: View(texts=each, language=name) for name, each in texts.items()}
        found = opened.metrics.project(
            views, components, method=method, seed=method_seed, progress=report.update, **encode
        )
    for warning in dict.fromkeys(warning for each in found.warnings.values() for warning in each):
        note(f"Beware: {warning}")
    if out.suffix.lower() == ".csv":
        axes = [f"x{axis}" for axis in range(1, found.components + 1)]
        write_rows(found.table(), ("view", "language", "model", "layer", "id", *axes), out)
    else:
        _save(found, out)
    print_table(
        [
            {"layer": layer, "component": component, "explained_variance": share}
            for layer, shares in found.explained_variance.items()
            for component, share in enumerate(shares, 1)
        ],
        _SHARES,
    )
    note(f"{sum(map(len, found.ids.values()))} rows at layers {list(found.layers)}: {out}")


def _save(found: Projection, out: Path) -> None:
    """Writes the arrays, whole or not at all."""
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

"""`babelscope encode`: hidden states of a file's texts."""

import sys
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import typer

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
)
from babelscope.corpora import read_texts
from babelscope.data.activations import Activations
from babelscope.data.texts import Text


def register(app: typer.Typer) -> None:
    """Adds the command."""
    app.command("encode")(encode)


def encode(
    *,
    model: ModelOption,
    output: Annotated[Path, typer.Option("--output", metavar="FILE", help="The .npz file to write.")],
    source: Annotated[
        str, typer.Option("--input", metavar="FILE", help="A corpus of any format; - for lines of standard input.")
    ] = "-",
    format: FormatOption = None,  # noqa: A002
    language: Annotated[str, typer.Option("--language", help="BCP 47 tag of the texts.")] = "",
    layers: LayersOption = None,
    pooling: Annotated[
        str, typer.Option("--pooling", callback=one_of("mean", "cls", "token"), help="mean, cls or token.")
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
    """Hidden states of texts, as arrays in a NumPy .npz file.

    The file has `activations` (rows x layers x d, float32), `layers`, `ids`, `tokens`, `truncated`, `model_digest`, and
    `offsets`: where the rows of each text begin, and after the last, where they end.
    """
    chosen = read_model(model, revision, random_init, seed)
    wanted = read_layers(layers)
    if not output.parent.is_dir():
        raise typer.BadParameter(f"Expected --output in a folder that exists, but got {output}")
    texts = _lines(language) if source == "-" else read_texts(Path(source), format=format, language=language)
    options: dict[str, Any] = {"pooling": pooling, "overflow": overflow, "compute_dtype": compute_dtype}
    with (
        open_mesh(mesh, ("encoder",), store=store, ca=ca, token=token) as opened,
        ProgressReport("Encoding") as report,
    ):
        found = opened.encoder.encode(texts, model=chosen, layers=wanted, progress=report.update, **options)
    _save(found, output)
    note(
        f"{len(found.ids)} texts, {found.totals.tokens} tokens, {found.totals.truncated} cut; layers "
        f"{list(found.layers)} of {chosen}, weights {found.model_digest[:12]}: {output}"
    )


def _lines(language: str) -> list[Text]:
    """The lines of the standard input; empty ones are left out, and ids count all of them."""
    stripped = (line.strip() for line in sys.stdin)
    texts = [Text(str(number), line, language) for number, line in enumerate(stripped, 1) if line]
    if not texts:
        raise typer.BadParameter("Expected lines of text on the standard input, but got none")
    return texts


def _save(found: Activations, output: Path) -> None:
    """Writes the arrays, whole or not at all."""
    partial = output.with_name(f".{output.name}.partial")
    try:
        with partial.open("wb") as file:
            np.savez(
                file,
                activations=found.array,
                layers=np.array(found.layers),
                ids=np.array(found.ids, np.str_),
                tokens=found.tokens,
                truncated=found.truncated,
                offsets=found.offsets,
                model_digest=np.array(found.model_digest),
            )
        partial.replace(output)
    finally:
        partial.unlink(missing_ok=True)

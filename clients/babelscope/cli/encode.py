"""`babelscope encode`: hidden states of a file's texts."""

import sys
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import typer

from babelscope.cli.console import ProgressReport, note
from babelscope.cli.interventions import TokenOptions
from babelscope.cli.options import (
    FormatOption,
    LanguageOption,
    MeshOptions,
    ModelOption,
    with_options,
)
from babelscope.cli.output import file, folder, write_results
from babelscope.corpora import read_units
from babelscope.data.activations import Activations
from babelscope.data.atomic import whole
from babelscope.data.texts import Text

ARRAYS = "activations.npz"


def register(app: typer.Typer) -> None:
    """Adds the command."""
    app.command("encode")(encode)


@with_options
def encode(
    *,
    model: ModelOption,
    source: Annotated[
        str, typer.Option("--input", metavar="FILE", help="Corpus of any format; - for lines of the standard input.")
    ] = "-",
    format: FormatOption = None,  # noqa: A002
    language: LanguageOption = "",
    encode: TokenOptions,
    out: Annotated[Path | None, folder(f"{ARRAYS}, results.json and results.csv")] = None,
    output: Annotated[Path | None, file("the arrays", ".npz")] = None,
    mesh: MeshOptions,
) -> None:
    """Hidden states of texts, as arrays in a NumPy .npz file.

    The file has `activations` (rows x layers x d, float32), `layers`, `ids`, `tokens`, `truncated`, `model_digest`, and
    `offsets`: where the rows of each text begin, and after the last, where they end. `empty` are the rows of words and
    spans of which the model sees no piece: they are zero.
    """
    settings = {**encode.settings(model), "interventions": encode.edits([language])[language]}
    if out is None and output is None:
        raise typer.BadParameter("Expected --out DIR or --output FILE, but got neither")
    if source == "-":
        texts = _lines(language)
    else:
        texts = read_units(Path(source), encode.pooling, format=format, language=language)
    with mesh.open("encoder", models=[model]) as opened, ProgressReport("Encoding") as report:
        found = opened.encoder.encode(texts, progress=report.update, **settings)
    if out is not None:
        record, tidy = _about(found, model, encode, language)
        write_results(out, record, tidy)
        _save(found, out / ARRAYS)
    if output is not None:
        _save(found, output)
    note(
        f"{len(found.ids)} texts, {found.totals.tokens} tokens, {found.totals.truncated} cut; layers "
        f"{list(found.layers)} of {settings['model']}, weights {found.model_digest[:12]}: "
        + " and ".join(str(each) for each in (out and out / ARRAYS, output) if each)
    )


def _about(
    found: Activations, model: str, options: TokenOptions, language: str
) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """What is known of the arrays, and the counts among it as rows of the tidy table."""
    totals = asdict(found.totals)
    record = {
        "kind": "encoding",
        "model": model,
        "settings": asdict(options),
        "model_digest": found.model_digest,
        "language": language,
        "layers": list(found.layers),
        "texts": len(found.ids),
        "totals": totals,
    }
    shared = {"kind": "encoding", "model": model, "pooling": options.pooling, "source": language, "n": len(found.ids)}
    return record, [
        {**shared, "metric": name, "value": value} for name, value in totals.items() if isinstance(value, int | float)
    ]


def _lines(language: str) -> list[Text]:
    """The lines of the standard input; empty ones are left out, and ids count all of them."""
    stripped = (line.strip() for line in sys.stdin)
    texts = [Text(str(number), line, language) for number, line in enumerate(stripped, 1) if line]
    if not texts:
        raise typer.BadParameter("Expected lines of text on the standard input, but got none")
    return texts


def _save(found: Activations, output: Path) -> None:
    """Writes the arrays, whole or not at all."""
    with whole(output) as file:
        np.savez(
            file,
            activations=found.array,
            layers=np.array(found.layers),
            ids=np.array(found.ids, np.str_),
            tokens=found.tokens,
            truncated=found.truncated,
            offsets=found.offsets,
            empty=found.empty,
            model_digest=np.array(found.model_digest),
        )

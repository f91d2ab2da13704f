"""`babelscope means`: means over all tokens of corpora by layer, which `--shift` of other commands takes."""

from pathlib import Path
from typing import Annotated, Any

import typer

from babelscope.calls.corpus.means import LayerMeans
from babelscope.cli.console import ProgressReport, note
from babelscope.cli.interventions import EditOptions
from babelscope.cli.options import FormatOption, MeshOptions, ModelOption, read_named, with_options
from babelscope.cli.output import folder, print_table, write_results
from babelscope.corpora import read_texts

_SHOWN = ("language", "texts", "tokens", "truncated", "means")


def register(app: typer.Typer) -> None:
    """Adds the command."""
    app.command("means")(means)


@with_options
def means(
    *,
    model: ModelOption,
    corpus: Annotated[
        list[str], typer.Option("--corpus", metavar="LANGUAGE=FILE", help="Texts of one language. May be repeated.")
    ],
    format: FormatOption = None,  # noqa: A002
    encode: EditOptions,
    out: Annotated[Path, folder("means-LANGUAGE.npz, results.json and results.csv")],
    mesh: MeshOptions,
) -> None:
    """Means over all tokens of each corpus, special tokens left out, at every layer in one pass.

    The difference of two of them is the shift between two languages (Liu et al. 2020): `--shift
    layer=7,from=DIR/means-en.npz,to=DIR/means-de.npz` of encode, compare, retrieve and project. A file has `means`
    (layers x d, float64), `layers`, `tokens`, `texts`, `truncated`, `model_digest`, and `artifact`: its name in the
    store.
    """
    if encode.pooling != "mean":
        raise typer.BadParameter("Expected --pooling mean: means are over all tokens")
    settings = encode.settings(model)
    files = read_named(corpus, "--corpus")
    interventions = encode.edits(files)
    found: dict[str, LayerMeans] = {}
    with mesh.open("encoder", models=[model]) as opened, ProgressReport("Averaging") as report:
        for language, path in files.items():
            texts = read_texts(Path(path), format=format, language=language)
            found[language] = opened.encoder.mean_activations(
                texts, progress=report.update, interventions=interventions[language], **settings
            )
    out.mkdir(parents=True, exist_ok=True)
    written = {language: out / f"means-{language}.npz" for language in found}
    for language, each in found.items():
        each.save(written[language])
    write_results(out, _record(found, model), _tidy(found, model))
    print_table(
        [
            {
                "language": language,
                "texts": each.texts,
                "tokens": each.tokens,
                "truncated": each.truncated,
                "means": each.artifact if mesh.lasting else str(written[language]),
            }
            for language, each in found.items()
        ],
        _SHOWN,
    )
    note(f"Means at layers {list(next(iter(found.values())).layers)}: {', '.join(map(str, written.values()))}")


def _record(found: dict[str, LayerMeans], model: str) -> dict[str, Any]:
    """All but the numbers, which have files of their own."""
    return {
        "kind": "means",
        "model": model,
        "means": [
            {
                "language": language,
                "layers": list(each.layers),
                "texts": each.texts,
                "tokens": each.tokens,
                "truncated": each.truncated,
                "model_digest": each.model_digest,
                "artifact": each.artifact,
            }
            for language, each in found.items()
        ],
    }


def _tidy(found: dict[str, LayerMeans], model: str) -> list[dict[str, Any]]:
    """The norm of each mean as rows of the tidy table."""
    return [
        {
            "kind": "means",
            "metric": "norm",
            "model": model,
            "pooling": "mean",
            "source": language,
            "layer": layer,
            "value": float((row @ row) ** 0.5),
            "n": each.tokens,
        }
        for language, each in found.items()
        for layer, row in zip(each.layers, each.array, strict=True)
    ]

"""`babelscope datasets list|show|put|export|delete`: what is in the store."""

import os
from pathlib import Path
from typing import Annotated

import typer

from babelscope.cli.console import note
from babelscope.cli.options import FormatOption, LanguageOption, MeshOptions, with_options
from babelscope.cli.output import print_table
from babelscope.cli.preview import parts
from babelscope.corpora import Options, read_examples
from babelscope.corpora.hub import is_reference
from babelscope.corpora.writers import write_examples
from babelscope.corpora.writers.registry import format_for
from babelscope.data.datasets import Dataset
from babelscope.errors import CorpusError

NameArgument = Annotated[str, typer.Argument(metavar="NAME", help="Name of a dataset: datasets/DIGEST.")]
_COLUMNS = ("name", "title", "examples", "languages", "bytes")


def register(app: typer.Typer) -> None:
    """Adds the commands."""
    group = typer.Typer(no_args_is_help=True, help="Datasets in the store.")
    group.command("list")(list_)
    group.command("show")(show)
    group.command("put")(put)
    group.command("export")(export)
    group.command("delete")(delete)
    app.add_typer(group, name="datasets")


@with_options
def list_(mesh: MeshOptions) -> None:
    """All datasets of the store."""
    with mesh.open("datagen") as opened:
        print_table([_row(each) for each in opened.datagen.list_datasets()], _COLUMNS)


@with_options
def show(
    name: NameArgument,
    *,
    samples: Annotated[int, typer.Option("--samples", min=0, help="Number of examples to show.")] = 5,
    mesh: MeshOptions,
) -> None:
    """What is in a dataset: counts by language, kind, label and length, and its first examples."""
    with mesh.open("datagen") as opened:
        found = opened.datagen.describe_dataset(name, samples=samples)
    rows: list[dict[str, object]] = [{"what": key, "value": value} for key, value in _row(found.dataset).items()]
    for what, counts in (("language", found.languages), ("kind", found.kinds), ("label", found.labels)):
        rows += [{"what": f"{what} {key}", "value": count} for key, count in counts.items()]
    rows += [{"what": f"length {low}..{high}", "value": count} for low, high, count in found.lengths]
    for example in found.samples[:samples]:
        rows += [{"what": f"{example.id} {part}".rstrip(), "value": text} for part, text in parts(example).items()]
    print_table(rows, ("what", "value"))


@with_options
def put(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="Corpus of any format, or hub:NAME[:CONFIG[:SPLIT]].")],
    *,
    title: Annotated[str, typer.Option("--title", help="Title for readers; the file's name if not given.")] = "",
    language: LanguageOption = "",
    column: Annotated[
        str, typer.Option("--column", help="Column of TSV or of the hub that holds the text; hub: or PART=COLUMN,...")
    ] = "",
    id_column: Annotated[
        str, typer.Option("--id-column", help="Column of TSV or of the hub that holds the ids; # numbers the rows.")
    ] = "",
    format: FormatOption = None,  # noqa: A002
    mesh: MeshOptions,
) -> None:
    """Stores a corpus. Its name is printed on the standard output: the same examples have the same name."""
    examples = read_examples(file, format=format, options=Options(language, column, id_column))
    with mesh.open("datagen") as opened:
        found = opened.datagen.put_dataset(examples, title=title or (str(file) if is_reference(file) else file.name))
    typer.echo(found.name)
    note(f"{found.examples} examples, {found.bytes} bytes: {found.title}")


@with_options
def export(
    name: NameArgument,
    *,
    output: Annotated[Path, typer.Option("--output", metavar="FILE", help="File for the examples.")],
    format: FormatOption = None,  # noqa: A002
    mesh: MeshOptions,
) -> None:
    """Writes a dataset to a file; the format is the one that holds its first example, unless it is given."""
    if not output.absolute().parent.is_dir():
        raise typer.BadParameter(f"Expected --output in a folder that exists, but got {os.fspath(output)}")
    with mesh.open("datagen") as opened:
        if format is None:
            [first] = opened.datagen.describe_dataset(name, samples=1).samples
            format = format_for(first)  # noqa: A001
        try:
            written = write_examples(opened.datagen.get_dataset(name), output, format=format)
        except ValueError as error:
            raise CorpusError(output, 0, str(error)) from error
    note(f"{written} examples: {output}")


@with_options
def delete(
    names: Annotated[list[str], typer.Argument(metavar="NAME...", help="Names of datasets: datasets/DIGEST.")],
    *,
    mesh: MeshOptions,
) -> None:
    """Removes datasets from the store. Nothing asks whether a job or a study will want them again."""
    with mesh.open("datagen") as opened:
        for name in names:
            opened.datagen.delete_dataset(name)
            note(f"removed {name}")


def _row(dataset: Dataset) -> dict[str, object]:
    return {
        "name": dataset.name,
        "title": dataset.title,
        "examples": dataset.examples,
        "languages": ",".join(dataset.languages),
        "bytes": dataset.bytes,
    }

"""`babelscope generate`: a corpus through transforms, or a corpus of the grammar, to a file."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import chain, islice
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console

from babelscope.cli.console import ProgressReport
from babelscope.cli.options import FormatOption, LanguageOption, MeshOptions, one_of, usage, with_options
from babelscope.cli.preview import preview as preview_table
from babelscope.cli.writing import check_output, tell, write_corpus
from babelscope.corpora import Options, find_format, read_examples
from babelscope.data.datasets import Step
from babelscope.data.examples import Example
from babelscope.errors import CorpusError
from babelscope.study.nodes import read_yaml


@dataclass(frozen=True, slots=True)
class CorpusOptions:
    """The corpus that goes through transforms."""

    input: Annotated[
        str | None, typer.Option("--input", metavar="FILE", help="Corpus of any format, hub:NAME or datasets/DIGEST.")
    ] = None
    format: FormatOption = None
    language: LanguageOption = ""
    column: Annotated[str, typer.Option("--column", help="Column of a TSV file that holds the text.")] = ""


@dataclass(frozen=True, slots=True)
class GrammarOptions:
    """The corpus that the grammar makes."""

    grammar: Annotated[
        str | None,
        typer.Option("--grammar", metavar="LIST", help="Languages of a corpus of the grammar: en,zh; or `all`."),
    ] = None
    size: Annotated[int, typer.Option("--size", min=1, help="Number of items of each language of the grammar.")] = 1000
    kind: Annotated[
        str,
        typer.Option(
            "--kind",
            callback=one_of("sentences", "ner", "nli", "qa", "documents", "dictionary", "lexicon"),
            help="Kind of the grammar's items: sentences, ner, nli, qa, documents, dictionary or lexicon.",
        ),
    ] = "sentences"
    depth: Annotated[int, typer.Option("--depth", min=0, help="Deepest nesting of clauses.")] = 2
    domain: Annotated[str, typer.Option("--domain", help="Domain of the grammar's words.")] = "everyday"
    words: Annotated[
        str,
        typer.Option(
            "--words",
            callback=one_of("topics", "classes"),
            help="How the grammar's words are drawn: by topics and preferences, or by class and rank alone.",
        ),
    ] = "topics"


def register(app: typer.Typer) -> None:
    """Adds the command."""
    app.command("generate")(generate)


@with_options
def generate(
    *,
    corpus: CorpusOptions,
    grammar: GrammarOptions,
    transform: Annotated[
        list[str] | None,
        typer.Option(
            "--transform",
            metavar="NAME:key=value,...",
            help="Step of the pipeline. May be repeated; applied in order. `babelscope list transforms` names all, "
            "`babelscope list transforms NAME` the options of one.",
        ),
    ] = None,
    pipeline: Annotated[
        Path | None,
        typer.Option("--pipeline", metavar="FILE", help="YAML file of steps that come before those of --transform."),
    ] = None,
    output: Annotated[
        str | None,
        typer.Option(
            "--output",
            metavar="FILE",
            help="File for the examples; with `{language}` in its name, one file a language.",
        ),
    ] = None,
    seed: Annotated[int, typer.Option("--seed", help="Seed of all randomness.")] = 0,
    preview: Annotated[int, typer.Option("--preview", min=0, help="Number of examples to show before and after.")] = 0,
    mesh: MeshOptions,
) -> None:
    """Corpora to corpora: transforms on a file, which keeps its format, or a corpus of the multilingual grammar."""
    source, format = corpus.input, corpus.format  # noqa: A001
    if (source is None) == (grammar.grammar is None):
        raise typer.BadParameter("Expected either --input or --grammar")
    if output is None and not preview:
        raise typer.BadParameter("Expected --output, or --preview to look only")
    if output is not None:
        check_output(output)
    with usage():
        steps, roots = _local(_steps(pipeline, transform or []), here=mesh.mesh is None)
    if source is not None and not steps:
        raise typer.BadParameter("Expected at least one --transform, or --pipeline, for --input")
    if source is not None and format is None and not source.startswith("datasets/"):
        format = find_format(Path(source)).name  # noqa: A001
    before = _Before(preview)
    env = {"BABELSCOPE_DICTIONARY_ROOTS": roots} if roots else {}
    with mesh.open("datagen", env=env) as opened, ProgressReport("Generating") as report:
        made: Any
        if grammar.grammar is not None:
            named = grammar.grammar.split(",")
            made = opened.datagen.generate_corpus(
                () if named == ["all"] else tuple(part.strip() for part in named),
                grammar.size,
                seed=seed,
                kind=grammar.kind,
                depth=grammar.depth,
                domain=grammar.domain,
                words=grammar.words,
                progress=report.update,
            )
            if steps:
                made = opened.datagen.transform(before.watch(made), steps, seed=seed, progress=report.update)
        elif source is not None and source.startswith("datasets/"):
            before.look(opened.datagen.get_dataset(source))
            made = opened.datagen.transform(source, steps, seed=seed, progress=report.update)
        else:
            examples = _read(Path(str(source)), format, corpus.language, corpus.column)
            made = opened.datagen.transform(before.watch(examples), steps, seed=seed, progress=report.update)
        stream = iter(made)
        shown = list(islice(stream, preview))
        written = write_corpus(chain(shown, stream), output, format) if output is not None else 0
        reports = made.steps
    if shown:
        Console().print(preview_table([(before.find(example), example) for example in shown]))
    tell(reports, written, output)


class _Before:
    """Keeps the first examples as they were, for the preview.

    Args:
        count: Examples to show; more are kept, for some may be dropped.
    """

    def __init__(self, count: int) -> None:
        self._room = count * 50
        self._kept: dict[tuple[str, str], Example] = {}

    def look(self, examples: Iterable[Example]) -> None:
        """Keeps the first of examples that are not read here otherwise."""
        for _ in self.watch(islice(examples, self._room)):
            pass

    def watch(self, examples: Iterable[Example]) -> Iterator[Example]:
        """The examples, the first of which are kept."""
        for example in examples:
            if len(self._kept) < self._room:
                self._kept[example.id, example.language] = example
            yield example

    def find(self, example: Example) -> Example | None:
        """What an example was."""
        origin = example.attributes.get("origin", example.id)
        alike = (each for (name, _), each in self._kept.items() if name == origin)
        return self._kept.get((origin, example.language)) or next(alike, None)


def _steps(pipeline: Path | None, transforms: list[str]) -> list[Step]:
    """All steps in order: those of the file, a list of `{name: ..., options...}` or of strings, then the options'."""
    listed: Any = []
    if pipeline is not None:
        listed = read_yaml(pipeline).value
        if isinstance(listed, dict) and listed.keys() == {"steps"}:
            listed = listed["steps"]
        if not isinstance(listed, list):
            raise CorpusError(
                pipeline, 0, "Expected a list of steps, each NAME:key=value,... or {name: NAME, key: value}"
            )
    return [_step(each) for each in [*listed, *transforms]]


def _step(each: Any) -> Step:
    if isinstance(each, str):
        return Step.parse(each)
    if not isinstance(each, dict) or not isinstance(each.get("name"), str):
        raise ValueError(f"Expected a step as NAME:key=value,... or with a `name`, but got {each!r}")
    return Step(each["name"], {str(key): _option(value) for key, value in each.items() if key != "name"})


def _option(value: Any) -> str:
    """An option as text: a list with commas between its items, which can have none themselves."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, list):
        items = list(map(_option, value))
        if any("," in item for item in items):
            raise ValueError(f"Expected items without commas, but got {value!r}")
        return ",".join(items)
    if not isinstance(value, str | int | float):
        raise ValueError(f"Expected text, a number, true, false or a list of these as an option, but got {value!r}")
    return str(value)


def _local(steps: list[Step], *, here: bool) -> tuple[list[Step], str]:
    """For servers started here: dictionaries by absolute paths, and the folders that may be read."""
    roots: list[str] = []
    changed: list[Step] = []
    for step in steps:
        reference = step.options.get("dictionary", "")
        path = Path(reference.split("{")[0]) if reference else Path()
        found = reference and not reference.startswith("datasets/") and (path.exists() or path.parent.is_dir())
        if here and found:
            folder = path if path.is_dir() else path.parent
            roots.append(str(folder.absolute()))
            changed.append(Step(step.name, {**step.options, "dictionary": str(Path(reference).absolute())}))
        else:
            changed.append(step)
    return changed, ":".join(dict.fromkeys(roots))


def _read(path: Path, format: str | None, language: str, column: str) -> Iterator[Example]:  # noqa: A002
    return read_examples(path, format=format, options=Options(language, column))

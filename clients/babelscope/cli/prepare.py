"""`babelscope prepare text|vocabulary|anchors`: corpora made ready for pretraining, by the transforms of the mesh."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain, combinations
from pathlib import Path
from typing import Annotated, Any

import typer

from babelscope.calls.datagen import AnyStep
from babelscope.cli.console import ProgressReport
from babelscope.cli.options import MeshOptions, one_of, read_named, with_options
from babelscope.cli.output import Numbers, ResultOptions
from babelscope.cli.writing import LANGUAGE, check_output, tell, write_corpus
from babelscope.corpora import Options, read_examples
from babelscope.corpora.vocabularies import from_examples, to_examples
from babelscope.data.atomic import write_atomically
from babelscope.data.datasets import Step
from babelscope.data.examples import Example
from babelscope.errors import CorpusError
from babelscope.sync.mesh import Mesh

InputOption = Annotated[
    list[str],
    typer.Option(
        "--input", metavar="LANGUAGE=FILE", help="Corpus of any format, or hub:NAME; given once for each language."
    ),
]
SeedOption = Annotated[int, typer.Option("--seed", help="Seed of what is drawn.")]


@dataclass(frozen=True, slots=True)
class LineOptions:
    """How lines are read and cleaned."""

    column: Annotated[str, typer.Option("--column", help="Column of a TSV file that holds the text.")] = ""
    normalise: Annotated[bool, typer.Option(help="Normalise characters, white space and punctuation.")] = True
    segment: Annotated[bool, typer.Option(help="Put spaces between words and punctuation.")] = True


@dataclass(frozen=True, slots=True)
class SampleOptions(LineOptions):
    """The same, and how many lines of each language are drawn."""

    total: Annotated[
        int,
        typer.Option(
            "--total", min=0, help="Number of examples of all languages together; as many as there are with 0."
        ),
    ] = 0
    exponent: Annotated[
        float | None,
        typer.Option(
            "--exponent",
            min=0,
            max=1,
            help="Exponent of each language's share: 1 keeps the shares, 0 makes them equal.",
        ),
    ] = None


@dataclass(frozen=True, slots=True)
class SubwordOptions:
    """The vocabulary that cuts words."""

    vocabulary: Annotated[
        str | None,
        typer.Option(
            "--vocabulary",
            metavar="FILE",
            help="Vocabulary that cuts words into sub-words: tokenizer.json, 'tokenizer.{language}.json', or "
            "datasets/DIGEST.",
        ),
    ] = None
    prefixed: Annotated[
        bool, typer.Option("--prefixed", help="Put the language before each token, so that none is shared: `en:the`.")
    ] = False


@dataclass(frozen=True, slots=True)
class StreamOptions:
    """How lines become streams of one length."""

    stream: Annotated[
        int, typer.Option("--stream", min=0, help="Number of tokens of the streams that lines are joined into.")
    ] = 0
    separator: Annotated[str, typer.Option("--separator", help="Token put after each line of a stream.")] = ""
    padding: Annotated[
        str, typer.Option("--padding", help="Token that fills the last stream, which is dropped if none is given.")
    ] = ""


def register(app: typer.Typer) -> None:
    """Adds the commands."""
    group = typer.Typer(no_args_is_help=True, help="Corpora made ready for pretraining.")
    group.command("text")(text)
    group.command("vocabulary")(vocabulary)
    group.command("anchors")(anchors)
    app.add_typer(group, name="prepare")


@with_options
def text(
    *,
    source: InputOption,
    output: Annotated[
        str,
        typer.Option(
            "--output", metavar="FILE", help="File for the lines; with `{language}` in its name, one file a language."
        ),
    ],
    lines: SampleOptions,
    repeat: Annotated[bool, typer.Option(help="Let a language be seen more than once.")] = True,
    subwords: SubwordOptions,
    form: Annotated[
        str, typer.Option("--form", callback=one_of("pieces", "ids"), help="Form of sub-words: pieces or ids.")
    ] = "pieces",
    streams: StreamOptions,
    seed: SeedOption = 0,
    mesh: MeshOptions,
) -> None:
    """Lines normalised, segmented, sampled by language, cut into sub-words and into streams of one length."""
    inputs = read_named(source, "--input")
    check_output(output)
    if LANGUAGE not in output and len(inputs) > 1:
        raise typer.BadParameter(f"Expected {LANGUAGE} in --output where there are several languages")
    steps = _lines(lines, repeat=repeat)
    with mesh.open("datagen") as opened, ProgressReport("Preparing") as report:
        steps += _subwords(opened, subwords, list(inputs), form=form)
        if streams.stream:
            options = {"length": str(streams.stream), "separator": streams.separator, "padding": streams.padding}
            steps.append(Step("cut_streams", options))
        if not steps:
            raise typer.BadParameter("Expected something to do, but all of it is switched off")
        made = opened.datagen.transform(_read(inputs, lines.column), steps, seed=seed, progress=report.update)
        written = write_corpus(iter(made), output, "lines")
    tell(made.steps, written, output)


@with_options
def vocabulary(
    *,
    source: InputOption,
    size: Annotated[
        int, typer.Option("--size", min=1, help="Largest number of tokens; of each language with --separate.")
    ],
    output: Annotated[
        str, typer.Option("--output", metavar="FILE", help="File for the JSON; with --separate 'NAME.{language}.json'.")
    ],
    kind: Annotated[
        str, typer.Option("--kind", callback=one_of("bpe", "wordpiece"), help="Kind of vocabulary: bpe or wordpiece.")
    ] = "bpe",
    separate: Annotated[bool, typer.Option("--separate", help="Learn one vocabulary for each language.")] = False,
    lines: SampleOptions,
    seed: SeedOption = 0,
    mesh: MeshOptions,
) -> None:
    """Learns a sub-word vocabulary, which Hugging Face `tokenizers` reads; with --store it becomes a dataset, too."""
    inputs = read_named(source, "--input")
    check_output(output)
    if (LANGUAGE in output) != separate:
        raise typer.BadParameter(f"Expected {LANGUAGE} in --output with --separate, and only then")
    steps = _lines(lines, repeat=True)
    steps.append(Step("learn_vocabulary", {"size": str(size), "kind": kind, "separate": str(separate).lower()}))
    with mesh.open("datagen") as opened, ProgressReport("Learning") as report:
        made = opened.datagen.transform(_read(inputs, lines.column), steps, seed=seed, progress=report.update)
        parts = list(made)
        kept = opened.datagen.put_dataset(parts, title=f"{kind} vocabulary: {','.join(inputs)}")
    for language, description in from_examples(parts).items():
        write_atomically(Path(output.replace(LANGUAGE, language)), description)
    tell(made.steps, len(from_examples(parts)), output, what="vocabularies")
    if mesh.lasting:
        typer.echo(kept.name)


@with_options
def anchors(
    *,
    source: InputOption,
    lines: LineOptions,
    subwords: SubwordOptions,
    results: ResultOptions,
    mesh: MeshOptions,
) -> None:
    """What each two languages share: types and tokens, of words, or of sub-words with --vocabulary."""
    inputs = read_named(source, "--input")
    steps = _lines(SampleOptions(lines.column, lines.normalise, lines.segment), repeat=True)
    with mesh.open("datagen") as opened, ProgressReport("Measuring") as report:
        steps += _subwords(opened, subwords, list(inputs), form="pieces")
        steps.append(Step("measure_anchors", {"keep": "false"}))
        made = opened.datagen.transform(_read(inputs, lines.column), steps, progress=report.update).finish()
    counts = made.steps[-1].counts
    rows = []
    for one, other in combinations(sorted(inputs), 2):
        shared = counts.get(f"shared_types/{one}+{other}", 0), counts.get(f"shared_tokens/{one}+{other}", 0)
        types = counts.get(f"types/{one}", 0) + counts.get(f"types/{other}", 0) - shared[0]
        tokens = counts.get(f"tokens/{one}", 0) + counts.get(f"tokens/{other}", 0)
        rows.append(
            {
                "languages": f"{one}+{other}",
                "types": types,
                "shared_types": shared[0],
                "type_share": shared[0] / max(types, 1),
                "tokens": tokens,
                "shared_tokens": shared[1],
                "token_share": shared[1] / max(tokens, 1),
            }
        )
    if not rows:
        raise typer.BadParameter("Expected --input for two languages or more")
    results.give(Numbers({"kind": "anchors", "pairs": rows}, _tidy(rows), rows, tuple(rows[0])))


def _tidy(rows: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Shared types and tokens of each pair of languages as rows of the tidy table."""
    tidy = []
    for row in rows:
        one, _, other = row["languages"].partition("+")
        for unit in ("type", "token"):
            shared = {"kind": "anchors", "source": one, "target": other, "n": row[f"{unit}s"]}
            for metric in (f"shared_{unit}s", f"{unit}_share"):
                tidy.append({**shared, "metric": metric, "value": row[metric]})
    return tidy


def _lines(lines: SampleOptions, *, repeat: bool) -> list[AnyStep]:
    """The steps before sub-words."""
    steps: list[AnyStep] = []
    if lines.total or lines.exponent is not None:
        options = {"total": str(lines.total), "repeat": str(repeat).lower()}
        steps.append(
            Step("sample_languages", options | ({} if lines.exponent is None else {"exponent": str(lines.exponent)}))
        )
    if lines.normalise:
        steps.append(Step("normalise", {}))
    if lines.segment:
        steps.append(Step("segment", {}))
    return steps


def _subwords(mesh: Mesh, subwords: SubwordOptions, languages: list[str], *, form: str) -> list[AnyStep]:
    """The step that cuts sub-words, where there is a vocabulary; one in a file is stored first."""
    vocabulary = subwords.vocabulary
    if vocabulary is None:
        return []
    if not vocabulary.startswith("datasets/"):
        of = {name: vocabulary.replace(LANGUAGE, name) for name in languages if LANGUAGE in vocabulary}
        parts = [part for name, path in (of or {"": vocabulary}).items() for part in to_examples(_json(path), name)]
        vocabulary = mesh.datagen.put_dataset(parts, title=vocabulary).name
    return [Step("cut_subwords", {"vocabulary": vocabulary, "prefixed": str(subwords.prefixed).lower(), "form": form})]


def _json(path: str) -> str:
    try:
        return Path(path).read_text(encoding="utf-8")
    except UnicodeDecodeError:
        raise CorpusError(Path(path), 0, "Expected a tokenizer as JSON in UTF-8") from None


def _read(inputs: dict[str, str], column: str) -> Iterable[Example]:
    return _Inputs(inputs, column)


class _Inputs:
    """The examples of all files, language by language; can be read again where a call breaks.

    Args:
        inputs: Files by language.
        column: Column of a TSV file.
    """

    def __init__(self, inputs: dict[str, str], column: str) -> None:
        self._inputs, self._column = inputs, column

    def __iter__(self) -> Iterator[Example]:
        def of(language: str, path: str) -> Any:
            return read_examples(path, options=Options(language, self._column))

        return chain.from_iterable(of(language, path) for language, path in self._inputs.items())

"""`babelscope prepare text|vocabulary|anchors`: corpora made ready for pretraining, by the transforms of the mesh."""

from collections.abc import Iterable, Iterator
from itertools import chain, combinations
from pathlib import Path
from typing import Annotated, Any

import typer

from babelscope.calls.datagen import AnyStep
from babelscope.cli.console import ProgressReport
from babelscope.cli.options import CaOption, MeshOption, StoreOption, TokenOption, one_of, open_mesh, read_named
from babelscope.cli.output import print_table
from babelscope.cli.writing import LANGUAGE, check_output, tell, write_corpus
from babelscope.corpora import Options, read_examples
from babelscope.corpora.vocabularies import from_examples, to_examples
from babelscope.data.datasets import Step
from babelscope.data.examples import Example
from babelscope.errors import CorpusError
from babelscope.sync.mesh import Mesh

InputOption = Annotated[
    list[str],
    typer.Option("--input", metavar="LANGUAGE=FILE", help="A corpus of any format, or hub:NAME. Once a language."),
]
ColumnOption = Annotated[str, typer.Option("--column", help="Column of a TSV file that holds the text.")]
NormaliseOption = Annotated[bool, typer.Option(help="Normalise characters, white space and punctuation.")]
SegmentOption = Annotated[bool, typer.Option(help="Put spaces between words and punctuation.")]
TotalOption = Annotated[
    int, typer.Option("--total", min=0, help="Examples of all languages together; as many as there are with 0.")
]
ExponentOption = Annotated[
    float | None,
    typer.Option("--exponent", min=0, max=1, help="Of each language's share: 1 keeps the shares, 0 makes them equal."),
]
SeedOption = Annotated[int, typer.Option("--seed", help="Seed of what is drawn.")]
VocabularyOption = Annotated[
    str | None,
    typer.Option(
        "--vocabulary",
        metavar="FILE",
        help="Cut words into sub-words: tokenizer.json, 'tokenizer.{language}.json', or datasets/DIGEST.",
    ),
]
PrefixedOption = Annotated[bool, typer.Option("--prefixed", help="No token is shared: `en:the`.")]


def register(app: typer.Typer) -> None:
    """Adds the commands."""
    group = typer.Typer(no_args_is_help=True, help="Corpora made ready for pretraining.")
    group.command("text")(text)
    group.command("vocabulary")(vocabulary)
    group.command("anchors")(anchors)
    app.add_typer(group, name="prepare")


def text(
    *,
    source: InputOption,
    output: Annotated[
        str,
        typer.Option("--output", metavar="FILE", help="The file to write; `{language}` in it makes one a language."),
    ],
    column: ColumnOption = "",
    total: TotalOption = 0,
    exponent: ExponentOption = None,
    repeat: Annotated[bool, typer.Option(help="Whether a language may be seen more than once.")] = True,
    normalise: NormaliseOption = True,
    segment: SegmentOption = True,
    vocabulary: VocabularyOption = None,
    prefixed: PrefixedOption = False,
    form: Annotated[
        str, typer.Option("--form", callback=one_of("pieces", "ids"), help="Sub-words as pieces or as ids.")
    ] = "pieces",
    stream: Annotated[int, typer.Option("--stream", min=0, help="Join lines into streams of so many tokens.")] = 0,
    separator: Annotated[str, typer.Option("--separator", help="Token put after each line of a stream.")] = "",
    padding: Annotated[str, typer.Option("--padding", help="Token that fills the last stream; none: it is cut.")] = "",
    seed: SeedOption = 0,
    mesh: MeshOption = None,
    store: StoreOption = None,
    ca: CaOption = None,
    token: TokenOption = None,
) -> None:
    """Lines normalised, segmented, sampled by language, cut into sub-words and into streams of one length."""
    inputs = read_named(source, "--input")
    check_output(output)
    if LANGUAGE not in output and len(inputs) > 1:
        raise typer.BadParameter(f"Expected {LANGUAGE} in --output where there are several languages")
    steps = _lines(normalise=normalise, segment=segment, total=total, exponent=exponent, repeat=repeat)
    with (
        open_mesh(mesh, ("datagen",), store=store, ca=ca, token=token) as opened,
        ProgressReport("Preparing") as report,
    ):
        steps += _subwords(opened, vocabulary, list(inputs), prefixed=prefixed, form=form)
        if stream:
            options = {"length": str(stream), "separator": separator, "padding": padding}
            steps.append(Step("cut_streams", options))
        if not steps:
            raise typer.BadParameter("Expected something to do, but all of it is switched off")
        made = opened.datagen.transform(_read(inputs, column), steps, seed=seed, progress=report.update)
        written = write_corpus(iter(made), output, "lines")
    tell(made.steps, written, output)


def vocabulary(
    *,
    source: InputOption,
    size: Annotated[int, typer.Option("--size", min=1, help="Tokens at most; of each language with --separate.")],
    output: Annotated[
        str, typer.Option("--output", metavar="FILE", help="The JSON to write; with --separate 'NAME.{language}.json'.")
    ],
    kind: Annotated[str, typer.Option("--kind", callback=one_of("bpe", "wordpiece"), help="bpe or wordpiece.")] = "bpe",
    separate: Annotated[bool, typer.Option("--separate", help="One vocabulary a language.")] = False,
    column: ColumnOption = "",
    total: TotalOption = 0,
    exponent: ExponentOption = None,
    normalise: NormaliseOption = True,
    segment: SegmentOption = True,
    seed: SeedOption = 0,
    mesh: MeshOption = None,
    store: StoreOption = None,
    ca: CaOption = None,
    token: TokenOption = None,
) -> None:
    """Learns a sub-word vocabulary, which Hugging Face `tokenizers` reads; with --store it becomes a dataset, too."""
    inputs = read_named(source, "--input")
    check_output(output)
    if (LANGUAGE in output) != separate:
        raise typer.BadParameter(f"Expected {LANGUAGE} in --output with --separate, and only then")
    steps = _lines(normalise=normalise, segment=segment, total=total, exponent=exponent, repeat=True)
    steps.append(Step("learn_vocabulary", {"size": str(size), "kind": kind, "separate": str(separate).lower()}))
    with (
        open_mesh(mesh, ("datagen",), store=store, ca=ca, token=token) as opened,
        ProgressReport("Learning") as report,
    ):
        made = opened.datagen.transform(_read(inputs, column), steps, seed=seed, progress=report.update)
        parts = list(made)
        kept = opened.datagen.put_dataset(parts, title=f"{kind} vocabulary: {','.join(inputs)}")
    for language, description in from_examples(parts).items():
        Path(output.replace(LANGUAGE, language)).write_text(description, encoding="utf-8")
    tell(made.steps, len(from_examples(parts)), output, what="vocabularies")
    if store is not None or mesh is not None:
        typer.echo(kept.name)


def anchors(
    *,
    source: InputOption,
    column: ColumnOption = "",
    normalise: NormaliseOption = True,
    segment: SegmentOption = True,
    vocabulary: VocabularyOption = None,
    prefixed: PrefixedOption = False,
    mesh: MeshOption = None,
    store: StoreOption = None,
    ca: CaOption = None,
    token: TokenOption = None,
) -> None:
    """What each two languages share: types and tokens, of words, or of sub-words with --vocabulary."""
    inputs = read_named(source, "--input")
    steps = _lines(normalise=normalise, segment=segment, total=0, exponent=None, repeat=True)
    with (
        open_mesh(mesh, ("datagen",), store=store, ca=ca, token=token) as opened,
        ProgressReport("Measuring") as report,
    ):
        steps += _subwords(opened, vocabulary, list(inputs), prefixed=prefixed, form="pieces")
        steps.append(Step("measure_anchors", {"keep": "false"}))
        made = opened.datagen.transform(_read(inputs, column), steps, progress=report.update).finish()
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
    print_table(rows, tuple(rows[0]))


def _lines(*, normalise: bool, segment: bool, total: int, exponent: float | None, repeat: bool) -> list[AnyStep]:
    """The steps before sub-words."""
    steps: list[AnyStep] = []
    if total or exponent is not None:
        options = {"total": str(total), "repeat": str(repeat).lower()}
        steps.append(Step("sample_languages", options | ({} if exponent is None else {"exponent": str(exponent)})))
    if normalise:
        steps.append(Step("normalise", {}))
    if segment:
        steps.append(Step("segment", {}))
    return steps


def _subwords(mesh: Mesh, vocabulary: str | None, languages: list[str], *, prefixed: bool, form: str) -> list[AnyStep]:
    """The step that cuts sub-words, where there is a vocabulary; one in a file is stored first."""
    if vocabulary is None:
        return []
    if not vocabulary.startswith("datasets/"):
        of = {name: vocabulary.replace(LANGUAGE, name) for name in languages if LANGUAGE in vocabulary}
        parts = [part for name, path in (of or {"": vocabulary}).items() for part in to_examples(_json(path), name)]
        vocabulary = mesh.datagen.put_dataset(parts, title=vocabulary).name
    return [Step("cut_subwords", {"vocabulary": vocabulary, "prefixed": str(prefixed).lower(), "form": form})]


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
        column: Of a TSV file.
    """

    def __init__(self, inputs: dict[str, str], column: str) -> None:
        self._inputs, self._column = inputs, column

    def __iter__(self) -> Iterator[Example]:
        def of(language: str, path: str) -> Any:
            return read_examples(path, options=Options(language, self._column))

        return chain.from_iterable(of(language, path) for language, path in self._inputs.items())

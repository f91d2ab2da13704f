"""Reading corpora of any format: as labelled examples, or as texts to encode."""

from collections.abc import Iterator
from pathlib import Path

from babelscope.corpora.options import Options
from babelscope.corpora.registry import Format, find_format
from babelscope.data.examples import Example, Question, Sentence, TextPair
from babelscope.data.texts import Text
from babelscope.errors import CorpusError


def read_examples(
    path: str | Path,
    *,
    format: str | None = None,  # noqa: A002
    options: Options | None = None,
) -> Iterator[Example]:
    """Yields the examples of a corpus in the file's order, as they are read.

    Args:
        path: A file, plain or gzip; or `hub:NAME[:CONFIG[:SPLIT]]`, a dataset of the Hugging Face hub.
        format: A name of `registry.FORMATS`; told from the file where None.
        options: Language and columns.

    Raises:
        CorpusError: The file cannot be read or does not follow its format; names path and line.
    """
    options = options or Options()
    found = find_format(Path(path), format)
    _check_column(Path(path), found, options)
    return found.read(Path(path), options)


def stream_texts(
    path: str | Path,
    *,
    format: str | None = None,  # noqa: A002
    options: Options | None = None,
) -> Iterator[Text]:
    """Yields the texts of a corpus in the file's order, as they are read.

    Of a question it is the question (or, column `context`, each context once, under the id of its first question); of
    a premise and hypothesis the hypothesis (or, column `premise`, the premise, which XNLI repeats).

    Raises:
        CorpusError: As for `read_examples`, or two items have the same id.
    """
    options = options or Options()
    seen: set[str] = set()
    paragraph = -1
    for example in read_examples(path, format=format, options=options):
        content = example.content
        if isinstance(content, Question) and options.column == "context":
            if content.paragraph == paragraph:
                continue
            paragraph = content.paragraph
        text = _text_of(example, options.column)
        if not text.strip():
            continue
        if not example.id:
            raise CorpusError(Path(path), example.line, "Expected an id, but got an empty one")
        if example.id in seen:
            raise CorpusError(Path(path), example.line, f"Expected each id once, but got {example.id!r} again")
        seen.add(example.id)
        yield Text(example.id, text, example.language or options.language)


def read_texts(
    path: str | Path,
    *,
    format: str | None = None,  # noqa: A002
    language: str = "",
    column: str = "",
    id_column: str = "",
) -> list[Text]:
    """All texts of a corpus, in the file's order.

    Args:
        path: A file, plain or gzip.
        format: A name of `registry.FORMATS`; told from the file where None.
        language: BCP 47 tag of the texts; names the column of a TSV file with one column a language.
        column: Part of an item that is its text; see `Options`.
        id_column: Column of a TSV file that holds the ids; see `Options`.

    Raises:
        CorpusError: The file cannot be read, does not follow its format, repeats an id, or holds no text.
    """
    texts = list(stream_texts(path, format=format, options=Options(language, column, id_column)))
    if not texts:
        of_language = f" of language {language!r}" if language else ""
        raise CorpusError(Path(path), 0, f"Expected at least one text{of_language}, but got none")
    return texts


def _check_column(path: Path, found: Format, options: Options) -> None:
    if options.column and found.columns != ("*",) and options.column not in found.columns:
        expected = f"one of {', '.join(found.columns)}" if found.columns else "not to be given"
        raise CorpusError(
            path, 0, f"Expected `column` for format {found.name} to be {expected}, but got {options.column!r}"
        )
    if options.id_column and found.columns != ("*",):
        raise CorpusError(path, 0, f"Expected `id_column` for format tsv or hub, but the format is {found.name}")


def _text_of(example: Example, column: str) -> str:
    match example.content:
        case str() as text:
            return text
        case Sentence(text=text):
            return text
        case TextPair() as pair:
            return pair.premise if column == "premise" else pair.hypothesis
        case Question() as question:
            return question.context if column == "context" else question.question

"""The writers by their format's name, and writing a whole file or none."""

import gzip
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from io import TextIOWrapper
from pathlib import Path
from typing import Any, Final, TextIO

from babelscope.corpora.registry import FORMATS
from babelscope.corpora.writers import conllu, iob2, squad, tatoeba, text_lines, tsv, xnli
from babelscope.data.atomic import whole
from babelscope.data.examples import Example, Question, Sentence, TextPair

Write = Callable[[Iterable[Example], TextIO], None]

WRITERS: Final[dict[str, Write]] = {
    "lines": text_lines.write,
    "tsv": tsv.write,
    "conllu": conllu.write,
    "iob2": iob2.write,
    "squad": squad.write,
    "xnli": xnli.write,
    "tatoeba": tatoeba.write,
}
MANY_LANGUAGES: Final = ("tsv", "xnli")
"""Formats whose rows carry their language."""


def write_examples(examples: Iterable[Example], path: str | Path, *, format: str) -> int:  # noqa: A002
    """Writes a corpus; the file appears when it is whole, packed where its name ends in `.gz`.

    Args:
        examples: Any number, written as they come.
        path: The file.
        format: A name of `WRITERS`.

    Returns:
        How many were written.

    Raises:
        ValueError: There is no writer of that name, or an example, or the file's name, does not fit the format.
        OSError: The file cannot be written.
    """
    if format not in WRITERS:
        raise ValueError(f"Expected `format` to be one of {', '.join(WRITERS)}, but got {format!r}")
    path = Path(path)
    if format == "tatoeba":  # the one format whose file's name tells what the lines are
        examples = tatoeba.of_file(examples, path)
    counted = _Counted(examples)
    with whole(path) as raw:
        if path.suffix == ".gz":
            with gzip.GzipFile("", "wb", fileobj=raw, mtime=0) as packed, _text(packed) as file:
                WRITERS[format](counted, file)
        else:
            with _text(raw) as file:
                WRITERS[format](counted, file)
    return counted.count


def format_for(example: Example) -> str:
    """The format that holds all of an example."""
    match example.content:
        case str():
            return "lines"
        case TextPair():
            return "xnli"
        case Question():
            return "squad"
        case Sentence(words=words):
            has_tree = any(word.head is not None for word in words)
            return "iob2" if not has_tree and any(word.ner for word in words) else "conllu"


def check_name(path: str | Path, format: str) -> None:  # noqa: A002
    """Refuses a file whose name tells readers another format than it is to have.

    Args:
        path: The file.
        format: A name of `WRITERS`.

    Raises:
        ValueError: It does; names both formats.
    """
    plain = Path(path).name.removesuffix(".gz")
    told = next((each.name for each in FORMATS if each.by_name(plain)), format)
    # The first lines of `.tsv` and `.conll` tell what is in them.
    if told not in (format, "tsv") and (told, format) != ("conll2003", "conllu"):
        raise ValueError(f"Expected a file whose name tells {format}, but got {path}, which tells {told}")


class _Counted:
    """Counts what is read of examples."""

    def __init__(self, examples: Iterable[Example]) -> None:
        self._examples = examples
        self.count = 0

    def __iter__(self) -> Iterator[Example]:
        for example in self._examples:
            self.count += 1
            yield example


@contextmanager
def _text(stream: Any) -> Iterator[TextIOWrapper]:
    """A view of a binary stream as text, which leaves the stream open."""
    text = TextIOWrapper(stream, encoding="utf-8", newline="\n")
    try:
        yield text
    finally:
        text.detach()

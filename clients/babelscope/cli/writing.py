"""Corpora that commands write: to one file, or to one a language, as they come."""

import queue
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from itertools import chain
from pathlib import Path
from typing import Any, Final

import typer

from babelscope.cli.console import note
from babelscope.corpora.writers import WRITERS, write_examples
from babelscope.corpora.writers.registry import MANY_LANGUAGES, format_for
from babelscope.data.datasets import StepReport
from babelscope.data.examples import Example
from babelscope.errors import CorpusError

LANGUAGE: Final = "{language}"
_WAITING: Final = 256
_LANGUAGES: Final = 256
_LOOK_SECONDS: Final = 0.2
_END: Final = object()


def check_output(output: str) -> None:
    """Checks that a file can be written where it is to be, before any work.

    Raises:
        BadParameter: Its folder does not exist.
    """
    if not Path(output).absolute().parent.is_dir():
        raise typer.BadParameter(f"Expected --output in a folder that exists, but got {output}")


def write_corpus(examples: Iterator[Example], output: str, format: str | None) -> int:  # noqa: A002
    """Writes one file, or one a language where the name has `{language}` in it.

    Args:
        examples: Written as they come.
        output: The file.
        format: A writer's name; the format that holds the first example where there is none of that name.

    Returns:
        How many were written.

    Raises:
        CorpusError: There is no example, one does not fit the format, or there are several languages for one file.
    """
    first = next(examples, None)
    if first is None:
        raise CorpusError(Path(output), 0, "Expected at least one example to write, but the steps left none")
    format = format if format in WRITERS else format_for(first)  # noqa: A001
    stream = chain([first], examples)
    if LANGUAGE in output:
        return _write_each(stream, output, format)
    return _written(_one_language(stream, output) if format not in MANY_LANGUAGES else stream, output, format)


def tell(reports: Sequence[StepReport], written: int, output: str | None, *, what: str = "examples") -> None:
    """Says what the steps did, and what was written."""
    for step in reports:
        note(f"{step.name}: " + ", ".join(f"{name} {count}" for name, count in step.counts.items()))
        for warning in step.warnings:
            note(f"{step.name}: warning: {warning}")
    if output is not None:
        note(f"{written} {what}: {output}")


def _written(examples: Iterable[Example], path: str, format: str) -> int:  # noqa: A002
    try:
        return write_examples(examples, path, format=format)
    except ValueError as error:
        raise CorpusError(Path(path), 0, str(error)) from error


def _one_language(examples: Iterable[Example], output: str) -> Iterator[Example]:
    """The examples, which must be of one language: the format does not tell them apart."""
    language = None
    for example in examples:
        language = example.language if language is None else language
        if example.language != language:
            raise CorpusError(
                Path(output),
                0,
                f"Expected one language, but got {language} and {example.language}: put {LANGUAGE} in --output",
            )
        yield example


def _write_each(examples: Iterable[Example], output: str, format: str) -> int:  # noqa: A002
    """One file a language, all written at once, a thread each: no corpus is held. One that fails stops the others."""
    waiting: dict[str, queue.Queue[Any]] = {}
    files: dict[str, Future[int]] = {}
    with ThreadPoolExecutor(_LANGUAGES) as pool:
        try:
            for example in examples:
                name = example.language or "und"
                if name not in files:
                    if len(files) == _LANGUAGES:
                        raise CorpusError(Path(output), 0, f"Expected at most {_LANGUAGES} languages, but got more")
                    waiting[name] = queue.Queue(_WAITING)
                    path = output.replace(LANGUAGE, name)
                    files[name] = pool.submit(_written, _taken(waiting[name]), path, format)
                _give(waiting[name], example, files[name])
        except BaseException as error:
            for name, file in files.items():
                _give(waiting[name], error, file)
            raise
        for name, file in files.items():
            _give(waiting[name], _END, file)
    return sum(file.result() for file in files.values())


def _taken(items: "queue.Queue[Any]") -> Iterator[Example]:
    while (item := items.get()) is not _END:
        if isinstance(item, BaseException):
            raise item
        yield item


def _give(items: "queue.Queue[Any]", item: object, file: "Future[int]") -> None:
    """Hands something to a file's thread; where that is over already, its error is raised by the first example."""
    while True:
        if file.done() and isinstance(item, Example):
            file.result()
        try:
            items.put(item, timeout=_LOOK_SECONDS)
        except queue.Full:
            if file.done() and not isinstance(item, Example):
                return
        else:
            return

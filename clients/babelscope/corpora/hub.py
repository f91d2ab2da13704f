"""Datasets of the Hugging Face hub by name: `hub:NAME[:CONFIG[:SPLIT]]`, streamed; extra `hub`.

`hub:rajpurkar/squad::validation` is the split `validation` of the only configuration. NAME may be a folder of Parquet,
JSON or CSV files on this machine; the fields of CSV are read as text. Only data are read: no dataset's own code runs.
"""

import itertools
import math
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from babelscope.corpora.hub_columns import Columns, find_columns, plain_number
from babelscope.corpora.hub_files import check_json, text_tables
from babelscope.corpora.options import Options
from babelscope.data.examples import Example
from babelscope.data.languages import same_language
from babelscope.errors import CorpusError

PREFIX: Final = "hub:"
ID_NAMES: Final = ("id", "sent_id", "guid", "pairID", "idx")
LANGUAGE_NAMES: Final = ("language", "lang")
ROW_NUMBERS: Final = "#"
_INEXACT: Final = 2.0**53
"""From here on different whole numbers are one fraction."""


@dataclass(frozen=True, slots=True)
class Reference:
    """A dataset of the hub.

    Attributes:
        name: `OWNER/NAME`, or a folder.
        config: One of its configurations; its only one where empty.
        split: One of its splits; its only one where empty.
    """

    name: str
    config: str = ""
    split: str = ""


def is_reference(path: Path) -> bool:
    """Whether a path is not a file's, but names a dataset of the hub."""
    return str(path).startswith(PREFIX)


def parse(path: Path) -> Reference:
    """Reads `hub:NAME[:CONFIG[:SPLIT]]`.

    Raises:
        CorpusError: It has no such form.
    """
    parts = str(path).removeprefix(PREFIX).split(":")
    if not is_reference(path) or not parts[0] or len(parts) > 3:
        raise CorpusError(path, 0, "Expected hub:NAME, hub:NAME:CONFIG or hub:NAME:CONFIG:SPLIT")
    return Reference(*parts)


def read(path: Path, options: Options) -> Iterator[Example]:
    """Yields the examples of a dataset, row by row.

    What a row is, its columns tell (`hub_columns.KINDS`); `options.column` is the column of running text, or
    `PART=COLUMN,...`. The id is in the column asked for (`#` for none), else in one with a usual name, else it is
    `SPLIT-ROW` with rows counted from 1. A row's language is in its column `language` or `lang` where there is one, and
    then only rows of the language asked for are given; a row without a language is of that one. A row of translations
    gives one example a language, all with one id. The attribute `split` tells the split; other columns are left out.

    Raises:
        CorpusError: The hub or the dataset cannot be had, its columns cannot be told, or a row does not fit them.
    """
    reference = parse(path)
    dataset, split = _open(path, reference)
    features: Mapping[str, Any] = dataset.features or {}
    rows = _rows(path, dataset)
    first = next(rows, None)
    if first is None:
        return
    available = list(features) or list(first)
    try:
        columns = find_columns(available, _names(features), options.column)
        id_column = _find(options.id_column, ID_NAMES, available)
    except ValueError as error:
        raise CorpusError(path, 0, str(error)) from None
    language_column = _find("", LANGUAGE_NAMES, available)
    paragraphs = _Paragraphs()
    for number, row in enumerate(itertools.chain([first], rows), start=1):
        language = str(row[language_column] or options.language) if language_column else options.language
        name = f"{split}-{number}" if id_column is None else _id(path, row[id_column], id_column, number)
        for own, content in _contents(path, columns, row, paragraphs, number):
            if not options.language or same_language(own or language, options.language):
                yield Example(name, content, own or language, number, {"split": split})


def _id(path: Path, value: object, column: str, number: int) -> str:
    """An id as text. Whole numbers that a table holds as fractions, as those of a column with gaps, are whole again."""
    if isinstance(value, float) and abs(value) >= _INEXACT:
        problem = f"Expected ids as text or whole numbers in column {column!r}, but got {value!r}, which is not exact"
        raise CorpusError(path, number, f"{problem}; # numbers the rows")
    value = plain_number(value)
    if value is None or value == "" or (isinstance(value, float) and math.isnan(value)):
        got = "an empty one" if value == "" else "none"
        raise CorpusError(path, number, f"Expected an id in column {column!r}, but got {got}; # numbers the rows")
    if not isinstance(value, str | int | float):
        kind = type(value).__name__
        problem = f"Expected ids as text or numbers in column {column!r}, but got a {kind}, {value}; # numbers the rows"
        raise CorpusError(path, number, problem)
    return str(value)


class _Paragraphs:
    """Numbers contexts: questions about one follow one another."""

    def __init__(self) -> None:
        self._last: str | None = None
        self._number = -1

    def __call__(self, context: str) -> int:
        self._number += context != self._last
        self._last = context
        return self._number


def _contents(path: Path, columns: Columns, row: Any, paragraphs: _Paragraphs, number: int) -> Iterator[Any]:
    try:
        yield from columns.contents(row, paragraphs)
    except ValueError as error:
        raise CorpusError(path, number, str(error)) from None


def _open(path: Path, reference: Reference) -> tuple[Any, str]:
    """The split of a dataset, not yet read, and its name."""
    try:
        import datasets
    except ImportError:
        problem = "Expected the package datasets, but it is not installed: it comes with extra `hub`"
        raise CorpusError(path, 0, problem) from None
    with _failures(path), _quiet():
        config = reference.config or None
        splits = datasets.load_dataset(reference.name, config, streaming=True)
        builder = datasets.load_dataset_builder(reference.name, config)
        if type(builder.config).__name__ == "CsvConfig":
            splits = text_tables(path, builder.config)
    known = list(splits)
    split = reference.split or (known[0] if len(known) == 1 else "")
    if split not in known:
        got = repr(split) if split else "none"
        problem = f"Expected a split, hub:NAME:CONFIG:SPLIT, one of {', '.join(map(str, known))}, but got {got}"
        raise CorpusError(path, 0, problem)
    if type(builder.config).__name__ == "JsonConfig":
        check_json(path, builder.config, split)
    return splits[split], str(split)


def _rows(path: Path, dataset: Any) -> Iterator[Any]:
    rows = iter(dataset)
    while True:
        with _failures(path), _quiet():
            row = next(rows, None)
        if row is None:
            return
        yield row


@contextmanager
def _failures(path: Path) -> Iterator[None]:
    """Says in one line what the hub's package says in its own classes, which share no base."""
    from datasets.exceptions import DatasetsError

    try:
        yield
    except (OSError, ValueError, RuntimeError, DatasetsError) as error:
        cause = " ".join(str(error).split()) or type(error).__name__
        raise CorpusError(path, 0, f"Expected a dataset of the hub, but it cannot be had: {cause[:500]}") from error


@contextmanager
def _quiet() -> Iterator[None]:
    """Keeps the packages' own notes from the user's terminal: what matters is raised."""
    from datasets.utils import logging
    from huggingface_hub.utils import logging as hub_logging

    levels = [(module, module.get_verbosity()) for module in (logging, hub_logging)]
    for module, _ in levels:
        module.set_verbosity_error()
    try:
        yield
    finally:
        for module, level in levels:
            module.set_verbosity(level)


def _names(features: Mapping[str, Any]) -> dict[str, Sequence[str]]:
    """The names of classes that are stored as numbers, by column: of a column itself, or of its lists."""
    found: dict[str, Sequence[str]] = {}
    for column, feature in features.items():
        names = getattr(getattr(feature, "feature", feature), "names", None)
        if names is not None:
            found[column] = tuple(names)
    return found


def _find(asked: str, usual: Sequence[str], available: Sequence[str]) -> str | None:
    if asked == ROW_NUMBERS:
        return None
    if asked and asked not in available:
        raise ValueError(f"Expected `id_column` among {', '.join(available)}, but got {asked!r}")
    return asked or next((name for name in usual if name in available), None)

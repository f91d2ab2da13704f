"""Tables of text of a hub's dataset: rows of CSV and TSV with every field as it is written."""

import csv
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Literal

from babelscope.corpora.files import BOM, open_bytes, read_whole
from babelscope.corpora.surrogates import check_surrogates
from babelscope.errors import CorpusError

_TAB: Final = "\t"
_BEGINNING: Final = 1 << 12


@dataclass(frozen=True, slots=True)
class TextTable:
    """A split whose fields are texts.

    A reader that guesses types makes 2.0 of an id 2 and nothing of `NA`, and one that guesses the shape takes the
    first field of a row that has too many for a name of the row. Fields between tabs are not quoted, as in the format
    `tsv`.

    Args:
        path: What errors call the dataset.
        files: Addresses of the files, plain or packed.
        separator: Character between two fields.
        quote: Character around a field that holds the separator.
        encoding: Encoding of the files.
    """

    path: Path
    files: Sequence[str]
    separator: str = ","
    quote: str = '"'
    encoding: str = "utf-8"

    features: Any = None
    """Types of the columns, which hub's datasets have and text has not."""

    def __iter__(self) -> Iterator[dict[str, str]]:
        """Yields the rows, each as its fields by column.

        Raises:
            CorpusError: A row has another number of fields than the first line, files have different columns, a column
                comes twice, or a file is no such table.
            OSError: A file cannot be had.
            UnicodeError: A file is not in its encoding.
        """
        columns: list[str] | None = None
        for file in self.files:
            for header, row in self._file(file):
                columns = columns or sorted(header)
                if sorted(header) != columns:
                    raise CorpusError(
                        self.path, 1, f"Expected the columns {', '.join(columns)}, but {file} has {', '.join(header)}"
                    )
                yield dict(zip(header, row, strict=True))

    def _file(self, file: str) -> Iterator[tuple[list[str], list[str]]]:
        """The header and each row of a file."""
        import fsspec

        encoding = "utf-8-sig" if self.encoding.lower().replace("-", "") == "utf8" else self.encoding
        quoting: Literal[0, 3] = csv.QUOTE_NONE if self.separator == _TAB else csv.QUOTE_MINIMAL
        csv.field_size_limit(sys.maxsize)
        with fsspec.open(file, "rt", encoding=encoding, newline="", compression="infer") as text:
            rows = csv.reader(text, delimiter=self.separator, quotechar=self.quote, quoting=quoting, strict=True)
            try:
                header = next(rows, [])
                if len(set(header)) < len(header):
                    raise CorpusError(self.path, 1, f"Expected each column once, but got {', '.join(header)}")
                for row in rows:
                    if not row:
                        continue
                    if len(row) != len(header):
                        problem = f"Expected {len(header)} fields as on the first line, but got {len(row)}"
                        raise CorpusError(self.path, rows.line_num, problem)
                    yield header, row
            except csv.Error as error:
                raise CorpusError(self.path, rows.line_num, f"Expected a table, but got: {error}") from None


def text_tables(path: Path, settings: Any) -> dict[str, TextTable]:
    """The splits of a dataset of CSV or TSV.

    Args:
        path: What errors call the dataset.
        settings: The dataset's `CsvConfig`.
    """
    return {
        str(split): TextTable(
            path, tuple(map(str, files)), settings.sep, settings.quotechar or '"', settings.encoding or "utf-8"
        )
        for split, files in settings.data_files.items()
    }


def check_json(path: Path, settings: Any, split: str) -> None:
    """Checks that the lists of JSON of a split, in files on this machine, hold no half of a surrogate pair.

    Of a file that is one list the hub's package leaves such halves out without a word; of one with a row a line it
    refuses them itself.

    Args:
        path: What errors call the dataset.
        settings: The dataset's `JsonConfig`.
        split: The split.

    Raises:
        CorpusError: There is half a surrogate pair.
    """
    for name, files in settings.data_files.items():
        for file in files if str(name) == split else ():
            if Path(file).is_file() and _is_whole(Path(file)):
                check_surrogates(path, read_whole(Path(file)))


def _is_whole(file: Path) -> bool:
    """Whether a file of JSON is one list, which cannot be read by lines."""
    with open_bytes(file) as stream:
        return stream.read(_BEGINNING).removeprefix(BOM.encode()).lstrip()[:1] == b"["

"""TSV: fields split at tabs and nothing else (no quoting), with a header or without."""

from collections.abc import Iterator, Sequence
from itertools import chain
from pathlib import Path

from babelscope.corpora.files import read_lines
from babelscope.corpora.options import Options
from babelscope.data.examples import Example
from babelscope.data.languages import read_tag, spelling
from babelscope.data.texts import whole_number
from babelscope.errors import CorpusError

ID_NAMES = ("id", "sent_id", "sentence_id", "pairid")
TEXT_NAMES = ("text", "sentence")
LANGUAGE_NAME = "language"
LINE_NUMBERS = "#"


def read(path: Path, options: Options) -> Iterator[Example]:
    """Yields one example a row that has a text in the chosen column; rows without are left out.

    The first line is a header where one of its fields is a usual name of an id or a text column, or the column or
    language asked for; or where all are language tags, of which one means the language asked for.

    The text is in the column asked for; else, with a header, in the column named as the language or `text`; else in the
    last column of a file of one or two columns. The id is in the column asked for, else in the header's id column or,
    without a header, in the first column where another one holds the text; else it is the line's number. Where no
    language is asked for, a column `language` tells each row's.

    Raises:
        CorpusError: The file cannot be read, the columns cannot be told, or a row has another number of fields.
    """
    lines = read_lines(path)
    first = next(lines, None)
    if first is None:
        return
    names = [name.strip() for name in first[1].split("\t")]
    has_header = _is_header(names, options)
    text_at = _text_column(path, names, options, has_header)
    id_at = _id_column(path, names, options, has_header, text_at)
    by_row = has_header and not options.language and LANGUAGE_NAME in names
    language_at = names.index(LANGUAGE_NAME) if by_row else None
    rows = lines if has_header else chain([first], lines)
    for number, line in rows:
        if not line:
            continue
        fields = line.split("\t")
        if len(fields) != len(names):
            raise CorpusError(path, number, f"Expected {len(names)} fields as on the first line, but got {len(fields)}")
        if fields[text_at].strip() or options.empty:
            name = str(number) if id_at is None else fields[id_at]
            language = options.language if language_at is None else fields[language_at].strip()
            yield Example(name, fields[text_at], language, number)


def _is_header(names: Sequence[str], options: Options) -> bool:
    known = {*ID_NAMES, *TEXT_NAMES, LANGUAGE_NAME}
    asked = {name for name in (options.column, options.id_column, options.language) if name and not name.isdecimal()}
    if any(name.lower() in known or name in asked for name in names):
        return True
    # Any first word of a text may spell a language (`in`, `no`); only tags throughout are the names of columns.
    return spelling(options.language, names) is not None and all(read_tag(name).registered for name in names)


def _text_column(path: Path, names: Sequence[str], options: Options, has_header: bool) -> int:
    if options.column:
        return _find(path, names, options.column, has_header)
    if has_header:
        lowered = [name.lower() for name in names]
        if (named := spelling(options.language, names)) in names:
            return names.index(named)
        if found := next((name for name in TEXT_NAMES if name in lowered), None):
            return lowered.index(found)
    elif len(names) <= 2:
        return len(names) - 1
    listed = ", ".join(names) if has_header else f"1..{len(names)}"
    wanted = f"and none is named {options.language!r}" if options.language and has_header else "but got none"
    raise CorpusError(path, 1, f"Expected `column` to name the text's column, one of {listed}, {wanted}")


def _id_column(path: Path, names: Sequence[str], options: Options, has_header: bool, text_at: int) -> int | None:
    if options.id_column == LINE_NUMBERS:
        return None
    if options.id_column:
        return _find(path, names, options.id_column, has_header)
    if has_header:
        return next((at for at, name in enumerate(names) if name.lower() in ID_NAMES), None)
    return 0 if text_at > 0 else None


def _find(path: Path, names: Sequence[str], wanted: str, has_header: bool) -> int:
    if has_header and wanted in names:
        return names.index(wanted)
    place = whole_number(wanted)
    if place is not None and 1 <= place <= len(names):
        return place - 1
    listed = ", ".join(names) if has_header else f"1..{len(names)}"
    raise CorpusError(path, 1, f"Expected a column among {listed}, but got {wanted!r}")

"""Text lines: one text a line, its id the line's number, or `id TAB text` throughout."""

from collections.abc import Iterator
from pathlib import Path

from babelscope.corpora.files import read_lines
from babelscope.corpora.options import Options
from babelscope.data.examples import Example
from babelscope.errors import CorpusError


def read(path: Path, options: Options) -> Iterator[Example]:
    """Yields one example a line.

    The first line that is not empty decides whether the file carries ids. An empty line is an item without a text
    here: it is left out, and no other line's number changes.

    Raises:
        CorpusError: The file cannot be read, or a line has another number of tabs than the first.
    """
    with_ids: bool | None = None
    for number, line in read_lines(path):
        if not line.strip():
            continue
        fields = line.split("\t")
        if with_ids is None:
            with_ids = len(fields) == 2
        if len(fields) != 1 + with_ids:
            expected = "an id, a tab and a text" if with_ids else "a text without tabs"
            raise CorpusError(path, number, f"Expected {expected}, but got {len(fields)} fields")
        if fields[-1].strip():
            name = fields[0] if with_ids else str(number)
            yield Example(name, fields[-1], options.language, number)

"""Text lines: one text a line, its id the line's number, or `id TAB text` throughout."""

from collections.abc import Iterable, Iterator
from pathlib import Path

from babelscope.corpora.files import read_lines
from babelscope.corpora.options import Options
from babelscope.data.examples import Example
from babelscope.errors import CorpusError


def read(path: Path, options: Options) -> Iterator[Example]:
    """Yields one example a line.

    The first line that is not empty decides whether the file carries ids. An empty line is an item without a text
    here: it is left out (but where `options.empty` asks for it), and no other line's number changes.

    Raises:
        CorpusError: The file cannot be read, or a line has another number of tabs than the first.
    """
    with_ids: bool | None = None
    waiting: list[int] = []  # empty lines before it is known whether lines carry ids
    for number, line in read_lines(path):
        if not line.strip():
            if options.empty and not with_ids:
                waiting.append(number)
            continue
        fields = line.split("\t")
        if with_ids is None:
            with_ids = len(fields) == 2
        if len(fields) != 1 + with_ids:
            expected = "an id, a tab and a text" if with_ids else "a text without tabs"
            raise CorpusError(path, number, f"Expected {expected}, but got {len(fields)} fields")
        if not with_ids:
            yield from _empty(waiting, options)
        waiting.clear()
        if fields[-1].strip() or options.empty:
            name = fields[0] if with_ids else str(number)
            yield Example(name, fields[-1], options.language, number)
    yield from _empty(waiting, options)


def _empty(numbers: Iterable[int], options: Options) -> Iterator[Example]:
    for number in numbers:
        yield Example(str(number), "", options.language, number)

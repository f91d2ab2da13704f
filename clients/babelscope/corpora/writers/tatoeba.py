"""A side of a Tatoeba pair: text i in line i, in a file whose name tells pair and side."""

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Final, TextIO

from babelscope.corpora import tatoeba
from babelscope.corpora.files import BOM
from babelscope.corpora.writers.checks import content_of
from babelscope.data.examples import Example
from babelscope.data.texts import whole_number

_MOST_LINES: Final = 10_000_000
"""Lines of a side of a pair: an id that tells a higher one would make a file of empty lines."""


def of_file(examples: Iterable[Example], path: Path) -> Iterator[Example]:
    """Yields the examples, which must be of the pair that the file's name tells.

    Raises:
        ValueError: The name is not that of a side of a pair, or an example is of another pair.
    """
    match = tatoeba.NAME.fullmatch(path.name)
    if match is None or match["side"] not in match["pair"].split("-"):
        raise ValueError(
            f"Expected a name such as tatoeba.fra-eng.fra, whose side is one of the pair, but got {path.name}"
        )
    for example in examples:
        if example.id.rpartition(":")[0] != match["pair"]:
            raise ValueError(f"Expected ids such as {match['pair']}:17 in {path.name}, but got {example.id!r}")
        yield example


def write(examples: Iterable[Example], file: TextIO) -> None:
    """Writes each text in the line that its id tells; lines without an example are empty.

    Raises:
        ValueError: An example is no running text, is blank, has an end of a line in it, or its id tells no line after
            the one before.
    """
    written = 0
    for example in examples:
        line = example.id.rpartition(":")[2]
        place = whole_number(line)
        if place is None or str(place) != line or not written < place <= _MOST_LINES:
            problem = f"of at most {_MOST_LINES}, but got {example.id[:80]!r}"
            raise ValueError(f"Expected ids such as fra-eng:17 in the order of their lines, {problem}")
        text = content_of(example, str, "tatoeba")
        marked = line == "1" and text.startswith(BOM)  # a reader would take it for the file's mark
        if not text.strip() or "\n" in text or text.endswith("\r") or marked:
            raise ValueError(f"Expected one line that is not blank, but example {example.id!r} has {text[:80]!r}")
        file.write("\n" * (place - written - 1) + text + "\n")
        written = place

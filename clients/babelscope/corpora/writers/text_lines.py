"""Text lines: `id TAB text`."""

from collections.abc import Iterable
from typing import TextIO

from babelscope.corpora.writers.checks import content_of, field
from babelscope.data.examples import Example


def write(examples: Iterable[Example], file: TextIO) -> None:
    """Writes one line an example.

    Raises:
        ValueError: An example is no running text, or has a tab or an end of a line in it.
    """
    for example in examples:
        file.write(f"{field(example, example.id)}\t{field(example, content_of(example, str, 'lines'))}\n")

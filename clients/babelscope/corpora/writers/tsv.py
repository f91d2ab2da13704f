"""TSV with a header: id, language, text."""

from collections.abc import Iterable
from typing import TextIO

from babelscope.corpora.writers.checks import content_of, field
from babelscope.data.examples import Example


def write(examples: Iterable[Example], file: TextIO) -> None:
    """Writes one row an example.

    Raises:
        ValueError: An example is no running text, or has a tab or an end of a line in it.
    """
    file.write("id\tlanguage\ttext\n")
    for example in examples:
        text = content_of(example, str, "tsv")
        file.write("\t".join(field(example, each) for each in (example.id, example.language, text)) + "\n")

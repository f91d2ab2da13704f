"""XNLI TSV: a header, and a premise with its hypothesis and label a row."""

from collections.abc import Iterable
from typing import TextIO

from babelscope.corpora.writers.checks import content_of, field
from babelscope.data.examples import Example, TextPair


def write(examples: Iterable[Example], file: TextIO) -> None:
    """Writes one row an example.

    Raises:
        ValueError: An example is no pair, or has a tab or an end of a line in it.
    """
    file.write("language\tgold_label\tsentence1\tsentence2\tpairID\n")
    for example in examples:
        pair = content_of(example, TextPair, "xnli")
        columns = (example.language, pair.label, pair.premise, pair.hypothesis, example.id)
        file.write("\t".join(field(example, column) for column in columns) + "\n")

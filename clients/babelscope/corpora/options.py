"""What a user may say about a corpus besides its path."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Options:
    """How to read a corpus.

    Attributes:
        language: BCP 47 tag of the texts; also names the column of a TSV file that has one column a language.
        column: Which part of an item is its text. TSV: a column's name, or its number from 1. SQuAD JSON: `question`
            or `context`. XNLI: `hypothesis` or `premise`. Other formats have one text only.
        id_column: TSV only: the column of the ids, by name or number; `#` takes line numbers.
    """

    language: str = ""
    column: str = ""
    id_column: str = ""

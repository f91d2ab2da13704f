"""What a user may say about a corpus besides its path."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Options:
    """How to read a corpus.

    Attributes:
        language: BCP 47 tag of the texts; also names the column of a TSV file that has one column a language.
        column: Part of an item that is its text. TSV: a column's name, or its number from 1. SQuAD JSON: `question`
            or `context`. XNLI: `hypothesis` or `premise`. Hub: the column of running text, or `PART=COLUMN,PART=COLUMN`
            with the parts that `hub_columns.KINDS` names. Other formats have one text only.
        id_column: TSV and hub: the column of the ids, by name (TSV: or number); `#` takes numbers of lines or rows.
        empty: Whether items whose text is empty are given as well, where a line has a number or an id (lines, TSV,
            Tatoeba): a system may put out nothing for a line.
    """

    language: str = ""
    column: str = ""
    id_column: str = ""
    empty: bool = False

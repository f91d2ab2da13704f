"""Pieces of running text, and how lists of plain strings become them."""

from collections.abc import AsyncIterable, Iterable, Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from typing import Final

from babelscope.v1 import text_pb2

_MOST_DIGITS: Final = 9
"""Digits of a place, a layer or a line. Python reads fewer than 4,300, and what counts up to one never ends."""


@dataclass(frozen=True, slots=True)
class Text:
    """One piece of running text. Sets of texts that share ids are parallel.

    Args:
        id: Unique within its request or set.
        text: The text itself; may be empty where `words` are given.
        language: BCP 47 language tag, where known.
        words: The words of a text that is cut into words, for pooling by word. Each is looked for in `text` after the
            one before; where there is no `text`, it is the words joined by spaces.
        spans: First code point, and one past the last, of each span that pooling by span averages.
        positions: Tokens that pooling by token answers, counted from 0 with the special tokens; all where empty.
    """

    id: str
    text: str = ""
    language: str = ""
    words: tuple[str, ...] = ()
    spans: tuple[tuple[int, int], ...] = ()
    positions: tuple[int, ...] = ()

    @property
    def size(self) -> int:
        """Characters of the text, words among them, and units that ask for rows of their own."""
        return len(self.text) + sum(map(len, self.words)) + len(self.spans) + len(self.positions)

    def to_proto(self) -> text_pb2.Text:
        """The text as a message of the contract.

        Raises:
            ValueError: It is not Unicode text: it holds half a surrogate pair.
        """
        try:
            return text_pb2.Text(
                id=self.id,
                text=self.text,
                language=self.language,
                words=self.words,
                spans=[text_pb2.Span(start=start, end=end) for start, end in self.spans],
                positions=self.positions,
            )
        except UnicodeEncodeError as error:
            raise ValueError(
                f"Expected Unicode text under id {self.id!r}, but got {error.object[error.start]!r}"
            ) from None

    @classmethod
    def from_proto(cls, text: text_pb2.Text) -> "Text":
        """Reads a message of the contract."""
        return cls(
            text.id,
            text.text,
            text.language,
            tuple(text.words),
            tuple((span.start, span.end) for span in text.spans),
            tuple(text.positions),
        )


UNITS: Final[Mapping[str, str]] = {
    "word_first": "words",
    "word_mean": "words",
    "span": "spans",
    "token": "positions",
}
"""Poolings with a row for each of some units of a text, and the field of `Text` that lists them."""


def row_ids(text: Text, pooling: str) -> list[str]:
    """Ids of a text's rows where rows of several texts are compared: its own, or `ID#NUMBER` for each of its units."""
    if pooling not in UNITS:
        return [text.id]
    return [f"{text.id}#{number}" for number in range(len(getattr(text, UNITS[pooling])))]


def as_texts(texts: Iterable[Text | str], *, start: int = 0) -> Iterator[Text]:
    """Gives plain strings an id: their position, so that lists of one order are parallel.

    Args:
        texts: Texts or strings, read lazily.
        start: Position of the first one.

    Raises:
        TypeError: It is a single text, a mapping, a table or a set, or nothing that holds texts.
    """
    check_many(texts)
    return _numbered(texts, start)


def check_many(texts: object) -> None:
    """Make sure that several texts are given, in an order that says which is which.

    A string is iterable by characters, a mapping by keys, a table such as a DataFrame by the names of its columns, a
    set in an order that changes from run to run.

    Raises:
        TypeError: It is a single text, a mapping, a table or a set, or nothing that holds texts.
    """
    single = isinstance(texts, str | bytes | Text | Mapping | AbstractSet) or hasattr(texts, "columns")
    if single or not isinstance(texts, Iterable | AsyncIterable):
        raise TypeError(f"Expected `texts` to be a list or another iterable of texts, but got {type(texts).__name__}")


def _numbered(texts: Iterable[Text | str], start: int) -> Iterator[Text]:
    for position, text in enumerate(texts, start):
        yield as_text(text, position)


def as_text(text: Text | str, position: int) -> Text:
    """A text as it is, a string under its position as id.

    Raises:
        TypeError: It is neither.
    """
    if isinstance(text, Text):
        return text
    if isinstance(text, str):
        return Text(id=str(position), text=text)
    raise TypeError(f"Expected a Text or str at position {position}, but got {type(text).__name__}")


def count(texts: object) -> int | None:
    """Number of texts where it is known without reading them.

    Raises:
        TypeError: It is a single text, a mapping, a table or a set, or nothing that holds texts.
    """
    check_many(texts)
    return len(texts) if isinstance(texts, Sequence) else None


def whole_number(text: str) -> int | None:
    """A number from 0 in ASCII digits; None for any other text, and for a number of more than nine digits."""
    return int(text) if text.isascii() and text.isdecimal() and len(text) <= _MOST_DIGITS else None

"""Pieces of running text, and how lists of plain strings become them."""

from collections.abc import AsyncIterable, Iterable, Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass

from babelscope.v1 import text_pb2


@dataclass(frozen=True, slots=True)
class Text:
    """One piece of running text. Sets of texts that share ids are parallel.

    Args:
        id: Unique within its request or set.
        text: The text itself.
        language: BCP 47 language tag, where known.
    """

    id: str
    text: str
    language: str = ""

    def to_proto(self) -> text_pb2.Text:
        """The text as a message of the contract.

        Raises:
            ValueError: It is not Unicode text: it holds half a surrogate pair.
        """
        try:
            return text_pb2.Text(id=self.id, text=self.text, language=self.language)
        except UnicodeEncodeError as error:
            raise ValueError(
                f"Expected Unicode text under id {self.id!r}, but got {error.object[error.start]!r}"
            ) from None


def as_texts(texts: Iterable[Text | str], *, start: int = 0) -> Iterator[Text]:
    """Gives plain strings an id: their position, so that lists of one order are parallel.

    Args:
        texts: Texts or strings, read lazily.
        start: Position of the first one.

    Raises:
        TypeError: It is a single text, a mapping or a set, or nothing that holds texts.
    """
    check_many(texts)
    return _numbered(texts, start)


def check_many(texts: object) -> None:
    """Make sure that several texts are given, in an order that says which is which.

    A string is iterable by characters, a mapping by keys, a set in an order that changes from run to run.

    Raises:
        TypeError: It is a single text, a mapping or a set, or nothing that holds texts.
    """
    if isinstance(texts, str | bytes | Text | Mapping | AbstractSet) or not isinstance(texts, Iterable | AsyncIterable):
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
        TypeError: It is a single text, a mapping or a set, or nothing that holds texts.
    """
    check_many(texts)
    return len(texts) if isinstance(texts, Sequence) else None

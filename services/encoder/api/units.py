"""What of a text gets a row of its own: its words, spans or positions, checked and found among its tokens."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Final

from babelscope.v1 import text_pb2

from services.models.row_groups import chosen, spanned
from services.models.spec import Pooling, TokenizedText
from services.runtime.errors import InvalidArgument, LimitExceeded

MOST_UNITS: Final = 1 << 14
"""Words, spans or positions of one text: as many as the longest input of any model has tokens, and some more."""

Span = tuple[int, int]


@dataclass(frozen=True, slots=True)
class Written:
    """A text as it goes to the tokenizer.

    Attributes:
        string: The text itself, or its words joined by spaces.
        words: Places of the words in it, in code points.
    """

    string: str
    words: tuple[Span, ...] = ()


Grouper = Callable[[text_pb2.Text, Written, TokenizedText, str], TokenizedText | None]
"""Gives a text's tokens the groups of its rows, or None where the text is not to be computed; takes the text's path."""


def written(text: text_pb2.Text, field: str) -> Written:
    """A text as it goes to the tokenizer.

    Args:
        text: The message.
        field: Its path in the request.

    Raises:
        InvalidArgument: A word is empty, or is not in the text after the word before it.
        LimitExceeded: Too many words.
    """
    check_count(text.words, f"{field}.words", text.id)
    words: list[Span] = []
    place = 0
    for number, word in enumerate(text.words):
        if not word or word.isspace():
            raise InvalidArgument(
                f"{field}.words[{number}]", f"Expected a word that is not empty, but text {text.id!r} has one that is"
            )
        if text.text:
            place = text.text.find(word, place)
            if place < 0:
                raise InvalidArgument(
                    f"{field}.words[{number}]",
                    f"Expected words that are in the text in their order, but text {text.id!r} has no {word[:80]!r} "
                    "after the word before it; leave `text` out, or change the words",
                )
        words.append((place, place + len(word)))
        place += len(word) if text.text else len(word) + 1
    return Written(text.text or " ".join(text.words), tuple(words))


def grouper(pooling: Pooling) -> Grouper:
    """Finds the rows that a pooling gives a text."""

    def group(text: text_pb2.Text, string: Written, tokens: TokenizedText, field: str) -> TokenizedText:
        match pooling:
            case Pooling.WORD_FIRST | Pooling.WORD_MEAN:
                if not string.words:
                    raise _lacking(text, f"{field}.words", "the words", pooling)
                groups = spanned(tokens, string.words, first=pooling is Pooling.WORD_FIRST)
            case Pooling.SPAN:
                groups = spanned(tokens, _spans(text, string, field))
            case Pooling.TOKEN if text.positions:
                groups = chosen(_positions(text, tokens, field))
            case _:
                return tokens
        return replace(tokens, groups=groups)

    return group


def _spans(text: text_pb2.Text, string: Written, field: str) -> list[Span]:
    if not text.spans:
        raise _lacking(text, f"{field}.spans", "the spans", Pooling.SPAN)
    check_count(text.spans, f"{field}.spans", text.id)
    spans = [(span.start, span.end) for span in text.spans]
    for number, (start, end) in enumerate(spans):
        if not 0 <= start < end <= len(string.string):
            raise InvalidArgument(
                f"{field}.spans[{number}]",
                f"Expected a start and a later end within 0..{len(string.string)}, the code points of text "
                f"{text.id!r}, but got {start}..{end}",
            )
    return spans


def _positions(text: text_pb2.Text, tokens: TokenizedText, field: str) -> Sequence[int]:
    check_count(text.positions, f"{field}.positions", text.id)
    for number, position in enumerate(text.positions):
        if not 0 <= position < len(tokens):
            raise InvalidArgument(
                f"{field}.positions[{number}]",
                f"Expected a position within 0..{len(tokens) - 1}, the tokens of text {text.id!r}, but got {position}",
            )
    return text.positions


def check_count(units: Sequence[object], field: str, name: str) -> None:
    """Refuses more words, spans or positions of one text than any model could see."""
    if len(units) > MOST_UNITS:
        what = field.rpartition(".")[2].replace("text", "words")  # found in the text itself
        raise LimitExceeded(field, f"Expected at most {MOST_UNITS} {what} in text {name!r}, but got {len(units)}")


def _lacking(text: text_pb2.Text, field: str, what: str, pooling: Pooling) -> InvalidArgument:
    return InvalidArgument(
        field, f"Expected {what} of text {text.id!r} for pooling {pooling.name}, but the text has none"
    )

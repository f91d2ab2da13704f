"""What writers ask of examples."""

from typing import TypeVar

from babelscope.corpora.blocks import COMMENTS, is_comment
from babelscope.data.examples import Example

T = TypeVar("T")


def content_of(example: Example, kind: type[T], format: str) -> T:  # noqa: A002
    """The content of an example, which must be of a kind.

    Raises:
        ValueError: It is of another.
    """
    if not isinstance(example.content, kind):
        wanted = {"str": "running text", "Sentence": "words", "TextPair": "pairs", "Question": "questions"}[
            kind.__name__
        ]
        got = type(example.content).__name__
        raise ValueError(f"Expected {wanted} for format {format}, but example {example.id!r} is {got}")
    return example.content


def field(example: Example, text: str) -> str:
    """A text that stays within its field of its line.

    Raises:
        ValueError: It has a tab or a line's end.
    """
    if "\t" in text or "\n" in text or text.endswith("\r"):
        raise ValueError(
            f"Expected a text without tabs and ends of lines, but example {example.id!r} has {text[:80]!r}"
        )
    return text


def comments(example: Example) -> list[str]:
    """The comment lines that the example keeps, to be written before its words.

    Raises:
        ValueError: One does not start with `#`, or would read as a word with its tag.
    """
    kept = example.attributes.get(COMMENTS, "")
    lines = kept.split("\n") if kept else []
    for line in lines:
        if not is_comment(line) or line.endswith("\r"):
            raise ValueError(f"Expected comments that start with #, but example {example.id!r} has {line[:80]!r}")
    return lines

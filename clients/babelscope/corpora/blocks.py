"""Files of sentences in columns: `#` comments, one word a line, an empty line after each sentence."""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from babelscope.corpora.files import read_lines

COMMENTS: Final = "comments"
"""The attribute of an example that keeps its sentence's other comment lines."""
OWN: Final = ("sent_id", "text")
"""Comments that are the id and the raw text of an example."""

# In a file of two columns, word and tag, a line may start with `#` and be a word: `#babel TAB O`.
_TAGGED_WORD = re.compile(r"#[^\t]*\t(O|[BIESLU]-[^\t]+?)\s*")


@dataclass(slots=True)
class LineBlock:
    """One sentence's lines.

    Attributes:
        line: Its first line's number.
        comments: `# key = value` comments by key; of a key that comes again the first.
        others: The comment lines that are neither the sentence's `sent_id` nor its `text`, as they stand.
        rows: Line number and fields of every word.
    """

    line: int
    comments: dict[str, str] = field(default_factory=dict)
    others: list[str] = field(default_factory=list)
    rows: list[tuple[int, list[str]]] = field(default_factory=list)


def read_blocks(path: Path) -> Iterator[LineBlock]:
    """Yields the sentences of a file, holding one at a time; comments without a sentence are left out.

    Raises:
        CorpusError: The file cannot be read.
    """
    block: LineBlock | None = None
    for number, line in read_lines(path):
        if not line.strip():
            if block and block.rows:
                yield block
            block = None
            continue
        block = block or LineBlock(number)
        if is_comment(line):
            name, equals, value = line[1:].partition("=")
            key = name.strip()
            if not equals or key not in OWN or key in block.comments:
                block.others.append(line)
            if equals:
                block.comments.setdefault(key, value.strip(" "))
        else:
            block.rows.append((number, line.split("\t")))
    if block and block.rows:
        yield block


def is_comment(line: str) -> bool:
    """Whether a line is a comment rather than a word."""
    return line.startswith("#") and not _TAGGED_WORD.fullmatch(line)


def sentence_id(block: LineBlock, position: int) -> str:
    """The sentence's `sent_id`, or its position in the file where it has none."""
    return block.comments.get("sent_id") or str(position)


def attributes(block: LineBlock) -> dict[str, str]:
    """The attributes of the sentence's example: its other comments, where it has some."""
    return {COMMENTS: "\n".join(block.others)} if block.others else {}

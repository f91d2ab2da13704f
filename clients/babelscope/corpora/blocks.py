"""Files of sentences in columns: `#` comments, one word a line, an empty line after each sentence."""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from babelscope.corpora.files import read_lines

# In a file of two columns, word and tag, a line may start with `#` and be a word: `#babel TAB O`.
_TAGGED_WORD = re.compile(r"#[^\t]*\t(O|[BI]-[^\t]+)")


@dataclass(slots=True)
class Block:
    """One sentence's lines.

    Attributes:
        line: Its first line's number.
        comments: `# key = value` comments by key.
        rows: Line number and fields of every word.
    """

    line: int
    comments: dict[str, str] = field(default_factory=dict)
    rows: list[tuple[int, list[str]]] = field(default_factory=list)


def read_blocks(path: Path) -> Iterator[Block]:
    """Yields the sentences of a file, holding one at a time; comments without a sentence are left out.

    Raises:
        CorpusError: The file cannot be read.
    """
    block: Block | None = None
    for number, line in read_lines(path):
        if not line.strip():
            if block and block.rows:
                yield block
            block = None
            continue
        block = block or Block(number)
        if line.startswith("#") and not _TAGGED_WORD.fullmatch(line):
            key, equals, value = line[1:].partition("=")
            if equals:
                block.comments.setdefault(key.strip(), value.strip(" "))
        else:
            block.rows.append((number, line.split("\t")))
    if block and block.rows:
        yield block


def sentence_id(block: Block, position: int) -> str:
    """The sentence's `sent_id`, or its position in the file where it has none."""
    return block.comments.get("sent_id") or str(position)

"""IOB2 and its kin: one word a line with its entity tag, as Universal NER has it (five columns) or in two columns."""

import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final

from babelscope.corpora.blocks import LineBlock, attributes, is_comment, read_blocks, sentence_id
from babelscope.corpora.options import Options
from babelscope.corpora.spacing import spaced
from babelscope.data.examples import Example, Sentence, Word
from babelscope.errors import CorpusError

SHORT, LONG = 2, 5
DOCUMENT: Final = "-DOCSTART-"
"""What stands for a word on the line before a document."""
PREFIXES = ("B-", "I-", "E-", "S-", "L-", "U-")
"""Of IOB1 and IOB2, IOBES and BILOU; which of them a file is in, the score of spans finds."""

_LONG_WORD: Final = re.compile(r"[0-9]+\t[^\t]+\t(O|[BIESLU]-[^\t]+)\t[^\t]*\t[^\t]*")
_SHORT_WORD: Final = re.compile(r"[^\t]+\t(O|[BIESLU]-[^\t]+)")
_LEAST_ALIKE: Final = 2


def is_head(lines: Sequence[str]) -> bool:
    """Whether the first lines of a file are of this format."""
    filled = [line for line in lines[:-1] or lines if line.strip() and not is_comment(line)]
    return bool(filled) and (_LONG_WORD.fullmatch(filled[0]) is not None or holds_tags(lines))


def holds_tags(lines: Sequence[str]) -> bool:
    """Whether the first lines of a file are words with their tags, in two columns."""
    filled = [line for line in lines[:-1] or lines if line.strip() and not is_comment(line)]
    return (
        len(filled) >= _LEAST_ALIKE
        and all(map(_SHORT_WORD.fullmatch, filled))
        and any(line.rpartition("\t")[2].strip() != "O" for line in filled)
    )


def read(path: Path, options: Options) -> Iterator[Example]:
    """Yields one example a sentence, its words with their tags as the file has them.

    Columns: number, form, tag, two of bookkeeping; or form, tag. A line `-DOCSTART-` on its own begins a document, as
    in CoNLL-2003, and is no sentence. The raw text is `# text`; where a sentence has none it is the words with spaces
    between them. A raw text that spells the words tells whether a space follows each. Other comments are the example's
    attribute `comments`.

    Raises:
        CorpusError: The file cannot be read, or a line does not follow the format.
    """
    blocks = (block for block in read_blocks(path) if not _begins_document(block))
    for position, block in enumerate(blocks, start=1):
        words: list[Word] = []
        for number, fields in block.rows:
            if len(fields) not in (SHORT, LONG):
                raise CorpusError(path, number, f"Expected {SHORT} or {LONG} columns, but got {len(fields)}")
            form, tag = fields[:2] if len(fields) == SHORT else fields[1:3]
            tag = tag.strip()
            if not form.strip():
                raise CorpusError(path, number, "Expected a word, but got an empty one")
            if tag != "O" and not (tag.startswith(PREFIXES) and len(tag) > 2):
                raise CorpusError(path, number, f"Expected a tag O, B-TYPE or I-TYPE, but got {tag!r}")
            words.append(Word(form=form, ner=tag))
        text = block.comments.get("text") or " ".join(word.form for word in words)
        name = sentence_id(block, position)
        content = Sentence(spaced(words, text), text)
        yield Example(name, content, options.language, block.line, attributes(block))


def _begins_document(block: LineBlock) -> bool:
    """Whether a block is the mark of a document in a file of two columns."""
    [(_, fields), *others] = block.rows
    return not others and len(fields) == SHORT and fields[0] == DOCUMENT and fields[1].strip() == "O"

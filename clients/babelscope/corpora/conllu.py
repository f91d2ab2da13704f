"""CoNLL-U (universaldependencies.org/format.html): ten columns, ids from `# sent_id`, raw text from `# text`."""

import re
from collections.abc import Iterator, Sequence
from pathlib import Path

from babelscope.corpora.blocks import Block, read_blocks, sentence_id
from babelscope.corpora.options import Options
from babelscope.data.examples import Example, Sentence, Word
from babelscope.errors import CorpusError

COLUMNS = 10
_WORD = re.compile(r"[1-9][0-9]*")
_MULTIWORD = re.compile(r"([1-9][0-9]*)-([1-9][0-9]*)")
_EMPTY_NODE = re.compile(r"[0-9]+\.[1-9][0-9]*")


def read(path: Path, options: Options) -> Iterator[Example]:
    """Yields one example a sentence, with its words.

    Multi-word tokens (`3-4`) and empty nodes (`3.1`) are no words. The raw text is `# text`, never `# text_en`; where
    a sentence has none it is put together from the surface tokens and `SpaceAfter`.

    Raises:
        CorpusError: The file cannot be read, or a line does not follow the format.
    """
    for position, block in enumerate(read_blocks(path), start=1):
        words, surface = _words(path, block)
        text = block.comments.get("text") or surface
        name = sentence_id(block, position)
        yield Example(name, Sentence(words, text), options.language, block.line)


def _words(path: Path, block: Block) -> tuple[tuple[Word, ...], str]:
    words: list[Word] = []
    surface: list[str] = []
    covered = 0  # words up to here are spelled by a multi-word token
    for number, fields in block.rows:
        if len(fields) != COLUMNS:
            raise CorpusError(path, number, f"Expected {COLUMNS} columns, but got {len(fields)}")
        name, form = fields[0], fields[1]
        space = "" if _no_space(fields[9]) else " "
        if _WORD.fullmatch(name):
            if int(name) != len(words) + 1:
                raise CorpusError(path, number, f"Expected word {len(words) + 1}, but got {name}")
            words.append(_word(path, number, fields))
            if int(name) > covered:
                surface.append(form + space)
        elif span := _MULTIWORD.fullmatch(name):
            covered = int(span[2])
            surface.append(form + space)
        elif not _EMPTY_NODE.fullmatch(name):
            raise CorpusError(path, number, f"Expected an id such as 3, 3-4 or 3.1, but got {name!r}")
    if not words:
        raise CorpusError(path, block.line, "Expected a sentence of at least one word, but got none")
    return tuple(words), "".join(surface).rstrip(" ")


def _word(path: Path, number: int, fields: Sequence[str]) -> Word:
    head = fields[6]
    if head != "_" and not head.isdecimal():
        raise CorpusError(path, number, f"Expected a number or _ as HEAD, but got {head!r}")
    return Word(
        form=fields[1],
        upos=_value(fields[3]),
        head=None if head == "_" else int(head),
        deprel=_value(fields[7]),
        lemma=fields[2] if fields[2] != "_" or fields[1] == "_" else "",
        feats=_value(fields[5]),
        space_after=not _no_space(fields[9]),
    )


def _value(field: str) -> str:
    return "" if field == "_" else field


def _no_space(misc: str) -> bool:
    return "SpaceAfter=No" in misc.split("|")

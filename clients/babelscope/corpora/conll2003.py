"""CoNLL-2003 and CoNLL-2002: a word a line in columns with blanks between them, the entity tag last, as shipped.

Tjong Kim Sang and De Meulder 2003. English has four columns (word, part of speech, chunk, entity), German five, with
the lemma after the word. Tjong Kim Sang 2002: Dutch has three columns (word, part of speech, entity), Spanish three or
two (word, entity). `-DOCSTART-` lines begin documents, which the attribute `document` counts from 1.
"""

import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final

from babelscope.corpora.files import read_lines
from babelscope.corpora.iob2 import DOCUMENT as BEGIN
from babelscope.corpora.iob2 import PREFIXES
from babelscope.corpora.options import Options
from babelscope.data.examples import DOCUMENT, Example, Sentence, Word
from babelscope.errors import CorpusError

SHORT, LONG = 2, 5
_TAG: Final = r"(O|[BIESLU]-\S+)[ \t]*"
_WORD: Final = re.compile(rf"\S+[ \t]+(\S+[ \t]+)?\S+[ \t]+(O|[BIESLU]-\S+)[ \t]+{_TAG}")
_WORD_OF_2002: Final = re.compile(rf"\S+[ \t]+(\S+[ \t]+)?{_TAG}")
_LEAST_ALIKE: Final = 2


def read(path: Path, options: Options) -> Iterator[Example]:
    """Yields one example a sentence, its words with their tags as the file has them.

    The part of speech is the word's `xpos`, the chunk its `misc`, `Chunk=B-NP`. The raw text is the words with spaces
    between them; ids are the sentences' positions in the file.

    Raises:
        CorpusError: The file cannot be read, or a line does not follow the format.
    """
    words: list[Word] = []
    position = document = start = columns = 0

    def sentence() -> Example:
        text = " ".join(word.form for word in words)
        attributes = {DOCUMENT: str(document)} if document else {}
        return Example(str(position), Sentence(tuple(words), text), options.language, start, attributes)

    for number, line in read_lines(path):
        fields = [field for field in re.split(r"[ \t]+", line) if field]
        is_document = bool(fields) and fields[0] == BEGIN
        if fields and not is_document:
            columns = columns or len(fields)
            known = SHORT <= columns <= LONG
            if not known or len(fields) != columns:
                wanted = f"{columns} columns as on the first line" if known else f"{SHORT} to {LONG} columns"
                raise CorpusError(path, number, f"Expected {wanted}, but got {len(fields)}")
            start = start if words else number
            words.append(_word(path, number, fields))
        elif words:
            position += 1
            yield sentence()
            words = []
        document += is_document
    if words:
        position += 1
        yield sentence()


def is_head(lines: Sequence[str]) -> bool:
    """Whether the first lines of a file are of this format."""
    filled = [line for line in lines[:-1] or lines if line.strip()]
    if filled and filled[0].split()[0] == BEGIN:
        return True
    if len(filled) < _LEAST_ALIKE:
        return False
    return all(map(_WORD.fullmatch, filled)) or (
        all(map(_WORD_OF_2002.fullmatch, filled)) and any(line.split()[-1] != "O" for line in filled)
    )


def _word(path: Path, number: int, fields: Sequence[str]) -> Word:
    """A line of a word."""
    form, *others, tag = fields
    chunk = others.pop() if len(others) > 1 else "O"
    xpos = others.pop() if others else ""
    for name, value in (("a chunk", chunk), ("an entity", tag)):
        if value != "O" and not (value.startswith(PREFIXES) and len(value) > len("B-")):
            raise CorpusError(path, number, f"Expected the tag of {name}, O, B-TYPE or I-TYPE, but got {value!r}")
    misc = f"Chunk={chunk}" if chunk != "O" else ""
    return Word(form=form, ner=tag, lemma="".join(others), xpos=xpos, misc=misc)

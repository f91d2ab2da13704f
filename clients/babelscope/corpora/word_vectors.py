"""Vectors of words as fastText, word2vec and MUSE write them: a line `n d`, then a word and d numbers a line."""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from babelscope.corpora.files import read_lines
from babelscope.data.examples import Example
from babelscope.errors import CorpusError

_NAMES: Final = (".vec", ".vec.gz")
_HEADER: Final = re.compile(r"([0-9]{1,9}) ([0-9]{1,9}) *")
_LEAST_WIDTH: Final = 4
"""Numbers after a word from which on a line is a vector: words with fewer, `route 66`, are words."""


@dataclass(frozen=True, eq=False)
class WordVectors:
    """Vectors of words.

    Args:
        words: Each once, most frequent first as the files have them.
        vectors: [n, d] float32.
    """

    words: tuple[str, ...]
    vectors: NDArray[np.float32]


def holds_vectors(path: str | Path) -> bool:
    """Whether a file holds vectors of words: its name ends in `.vec`, or its first two lines hold one or two.

    Raises:
        CorpusError: The file cannot be read.
    """
    path = Path(path)
    if path.name.lower().endswith(_NAMES):
        return True
    lines = [line for _, line in islice(read_lines(path), 2)]
    if len(lines) < 2:
        return False
    header = _HEADER.fullmatch(lines[0])
    first, second = (_numbers_at_end(line) for line in lines)
    if header is None:
        return first == second >= _LEAST_WIDTH
    return second >= min(int(header[2]), _LEAST_WIDTH) > 0


def read_word_vectors(path: str | Path, *, limit: int = 0) -> WordVectors:
    """Reads vectors; plain or gzip.

    The first line may be missing: the first vector then tells the width. A line's last d fields are its numbers, all
    before is its word, which may hold spaces. A word that comes again is left out: its first vector stands.

    Args:
        path: Path of the file.
        limit: Words read; all where 0.

    Raises:
        CorpusError: The file cannot be read, a line does not hold a word and d finite numbers, or the file ends
            and the header's number is neither that of its lines nor that of its words.
    """
    path = Path(path)
    words: dict[str, None] = {}
    rows: list[NDArray[np.float32]] = []
    for number, word, row in _vectors(path):
        if word in words:
            continue
        if not np.isfinite(row).all():
            raise CorpusError(path, number, f"Expected finite numbers for the word {word[:40]!r}")
        words[word] = None
        rows.append(row)
        if len(rows) == limit:
            break
    if not rows:
        raise CorpusError(path, 0, "Expected at least one vector, but got none")
    return WordVectors(tuple(words), np.stack(rows))


def to_examples(vectors: WordVectors, language: str = "") -> Iterator[Example]:
    """Vectors as the texts of a dataset, a word and its numbers each, so that they are stored as all datasets are.

    Args:
        vectors: The vectors.
        language: BCP 47 tag of their language.
    """
    for number, (word, row) in enumerate(zip(vectors.words, vectors.vectors, strict=True), start=1):
        yield Example(f"{number}", f"{word} {' '.join(row.astype(str).tolist())}", language)


def from_examples(examples: Iterable[Example], *, limit: int = 0) -> WordVectors:
    """The vectors of a dataset that `to_examples` made.

    Args:
        examples: The examples, in order.
        limit: Words read; all where 0.

    Raises:
        ValueError: An example is no word with its numbers, or there is none.
    """
    words: dict[str, NDArray[np.float32]] = {}
    width = 0
    for example in islice(examples, limit or None):
        text = example.content if isinstance(example.content, str) else ""
        width = width or text.count(" ")
        word, row = _vector(text, width, strict=False)
        if not np.isfinite(row).all():
            raise ValueError(f"Expected finite numbers for the word {word[:40]!r}")
        words.setdefault(word, row)
    if not words:
        raise ValueError("Expected at least one vector, but got none")
    return WordVectors(tuple(words), np.stack(list(words.values())))


def _vectors(path: Path) -> Iterator[tuple[int, str, NDArray[np.float32]]]:
    """Line number, word and numbers of each line."""
    count = width = 0
    header = None
    distinct: set[str] = set()
    for number, line in read_lines(path):
        if number == 1 and (header := _HEADER.fullmatch(line)):
            width = int(header[2])
            continue
        if not line:
            continue
        text = line.rstrip(" ")
        width = width or text.count(" ")
        try:
            word, row = _vector(text, width, strict=header is None or not count)
        except ValueError as error:
            raise CorpusError(path, number, str(error)) from None
        count += 1
        distinct.add(word)
        yield number, word, row
    if header is not None and count and int(header[1]) not in (count, len(distinct)):
        raise CorpusError(path, 1, f"Expected {header[1]} vectors as the first line says, but got {count}")


def _vector(line: str, width: int, *, strict: bool) -> tuple[str, NDArray[np.float32]]:
    """A line's word, which may hold spaces, and its numbers.

    Args:
        line: The line.
        width: How many numbers it has.
        strict: Whether a word that ends in a space and a number is rather a vector of more numbers.
    """
    wrong = f"Expected a word and its numbers, but got {line[:80]!r}"
    word, *fields = line.rsplit(" ", width) if width else [line]
    try:
        with np.errstate(over="ignore"):  # what float32 cannot hold is refused as infinite
            row = np.array([float(field) for field in fields], dtype=np.float32)
    except ValueError:
        raise ValueError(wrong) from None
    word = word.rstrip(" ")  # some programs put two spaces after it
    if not fields or not word:
        raise ValueError(wrong)
    further = word.split(" ")[1:]
    too_many = further and all(_is_number(part) and (strict or "." in part) for part in further)
    if len(fields) < width or too_many:
        got = len(fields) + len(further)
        raise ValueError(f"Expected {width} numbers as on the first line, but got {got}")
    return word, row


def _numbers_at_end(line: str) -> int:
    """How many numbers stand after the first field of a line, with no other field after them."""
    fields = line.rstrip(" ").split(" ")[1:]
    return next((at for at, field in enumerate(reversed(fields)) if not _is_number(field)), len(fields))


def _is_number(field: str) -> bool:
    try:
        float(field)
    except ValueError:
        return False
    return True

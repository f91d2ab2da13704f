"""Words of two languages: dictionaries of word pairs, vocabularies, and vectors of words."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from babelscope.corpora.files import read_lines
from babelscope.data.texts import Text
from babelscope.errors import CorpusError


@dataclass(frozen=True)
class WordPairs:
    """A bilingual dictionary.

    Args:
        pairs: (source, target) words, each pair once, in the order of the file.
    """

    pairs: tuple[tuple[str, str], ...]

    @property
    def sources(self) -> tuple[str, ...]:
        """Source words, each once."""
        return tuple(dict.fromkeys(source for source, _ in self.pairs))

    @property
    def targets(self) -> tuple[str, ...]:
        """Target words, each once."""
        return tuple(dict.fromkeys(target for _, target in self.pairs))


@dataclass(frozen=True, eq=False)
class WordVectors:
    """Vectors of words.

    Args:
        words: Each once, most frequent first as the files have them.
        vectors: [n, d] float32.
    """

    words: tuple[str, ...]
    vectors: NDArray[np.float32]


def read_word_pairs(path: str | Path) -> WordPairs:
    """Reads a dictionary: `source TAB target`, or MUSE's, which is separated by a space; plain or gzip.

    Further columns (weights) and empty lines are left out, and a pair given twice counts once.

    Raises:
        CorpusError: The file cannot be read, a line has no pair, or there is none at all.
    """
    path = Path(path)
    found: dict[tuple[str, str], None] = {}
    for number, line in read_lines(path):
        if not line.strip():
            continue
        fields = line.split("\t") if "\t" in line else line.split()
        if len(fields) < 2 or not (fields[0].strip() and fields[1].strip()):
            raise CorpusError(path, number, f"Expected a word and its translation, but got {line[:80]!r}")
        found[fields[0].strip(), fields[1].strip()] = None
    if not found:
        raise CorpusError(path, 0, "Expected at least one word pair, but got none")
    return WordPairs(tuple(found))


def read_words(path: str | Path, *, language: str = "", limit: int = 0) -> list[Text]:
    """Reads a vocabulary, a word a line; each word is its own id. Words that come again are left out.

    Args:
        path: Of the file, plain or gzip.
        language: BCP 47 language tag.
        limit: Words read; all where 0.

    Raises:
        CorpusError: The file cannot be read, or holds no word.
    """
    path = Path(path)
    found: dict[str, None] = {}
    for _, line in read_lines(path):
        if line.strip():
            found[line.strip()] = None
            if len(found) == limit:
                break
    if not found:
        raise CorpusError(path, 0, "Expected at least one word, but got none")
    return as_words(found, language)


def as_words(words: Iterable[str], language: str = "") -> list[Text]:
    """Words as texts that are their own ids, as gold pairs name them."""
    return [Text(word, word, language) for word in words]


def read_word_vectors(path: str | Path, *, limit: int = 0) -> WordVectors:
    """Reads vectors as fastText and MUSE write them: a line `n d`, then a word and d numbers a line; plain or gzip.

    The first line may be missing. A word that comes again is left out: its first vector stands.

    Args:
        path: Of the file.
        limit: Words read; all where 0.

    Raises:
        CorpusError: The file cannot be read, or a line does not hold a word and as many finite numbers as the first.
    """
    path = Path(path)
    words: dict[str, None] = {}
    rows: list[NDArray[np.float32]] = []
    for number, word, row in _vectors(path):
        if word in words:
            continue
        if rows and len(row) != len(rows[0]):
            raise CorpusError(path, number, f"Expected {len(rows[0])} numbers as on the first line, but got {len(row)}")
        if not np.isfinite(row).all():
            raise CorpusError(path, number, f"Expected finite numbers for the word {word[:40]!r}")
        words[word] = None
        rows.append(row)
        if len(rows) == limit:
            break
    if not rows:
        raise CorpusError(path, 0, "Expected at least one vector, but got none")
    return WordVectors(tuple(words), np.stack(rows))


def _vectors(path: Path) -> Iterator[tuple[int, str, NDArray[np.float32]]]:
    """Line number, word and numbers of each line."""
    for number, line in read_lines(path):
        fields = line.rstrip(" ").split(" ")
        if number == 1 and len(fields) == 2 and all(field.isdigit() for field in fields):
            continue
        try:
            row = np.array([float(field) for field in fields[1:]], dtype=np.float32)
        except ValueError as error:
            raise CorpusError(path, number, f"Expected a word and its numbers, but got {line[:80]!r}") from error
        if not len(row) or not fields[0]:
            raise CorpusError(path, number, f"Expected a word and its numbers, but got {line[:80]!r}")
        yield number, fields[0], row

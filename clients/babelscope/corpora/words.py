"""Words of two languages: dictionaries of word pairs, and vocabularies."""

import math
import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from babelscope.corpora.files import read_lines
from babelscope.data.texts import Text
from babelscope.errors import CorpusError

_COUNTED: Final = re.compile(r"\S\s+[0-9]+(\.[0-9]+)?$")
"""The end of a word with its count."""


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


def read_word_pairs(path: str | Path) -> WordPairs:
    """Reads a dictionary: `source TAB target`, or MUSE's, which is separated by a space; plain or gzip.

    Weights and empty lines are left out, and a pair given twice counts once. A word of several words needs tabs:
    `ice cream glace` could be read in two ways, and is refused.

    Raises:
        CorpusError: The file cannot be read, a line has no pair, or there is none at all.
    """
    path = Path(path)
    found: dict[tuple[str, str], None] = {}
    for number, line in read_lines(path):
        if not line.strip():
            continue
        try:
            source, target, _ = pair_of_line(line)
        except ValueError as error:
            raise CorpusError(path, number, str(error)) from None
        found[source, target] = None
    if not found:
        raise CorpusError(path, 0, "Expected at least one word pair, but got none")
    return WordPairs(tuple(found))


def pair_of_line(line: str) -> tuple[str, str, float]:
    """A word, its translation and the weight of the pair, 1 where the line has none.

    Args:
        line: Separated by tabs; or, without one, two words and maybe a weight, separated by spaces.

    Raises:
        ValueError: The line has no pair, its weight is no number above 0, or it cannot be told which words belong
            together.
    """
    tabs = "\t" in line
    fields = [field.strip() for field in line.rstrip().split("\t")] if tabs else line.split()
    weight = _number(fields[2]) if len(fields) == 3 else 1.0
    if not tabs and (len(fields) > 3 or math.isnan(weight)):
        raise ValueError(f"Expected a word and its translation, separated by a tab, but got {line[:80]!r}")
    if len(fields) < 2 or not (fields[0] and fields[1]):
        raise ValueError(f"Expected a word and its translation, but got {line[:80]!r}")
    if len(fields) > 3:
        raise ValueError(f"Expected a word, its translation and maybe a weight, but got {line[:80]!r}")
    if not 0 < weight < math.inf:
        raise ValueError(f"Expected a weight above 0, but got {fields[2]!r}")
    return fields[0], fields[1], weight


def _number(field: str) -> float:
    """A field as a number; NaN where it is none."""
    try:
        return float(field)
    except ValueError:
        return math.nan


def read_words(path: str | Path, *, language: str = "", limit: int = 0) -> list[Text]:
    """Reads a vocabulary, a word a line; each word is its own id. Words that come again are left out.

    A word may have spaces in it, but a list of words with their counts is refused: a tab in a line, or a number at the
    end of both of the first two lines.

    Args:
        path: Path of the file, plain or gzip.
        language: BCP 47 language tag.
        limit: Words read; all where 0.

    Raises:
        CorpusError: The file cannot be read, holds no word, or holds more than words.
    """
    path = Path(path)
    found: dict[str, None] = {}
    counted = True
    for number, line in read_lines(path):
        word = line.strip()
        if not word:
            continue
        counted = counted and _COUNTED.search(word) is not None
        if "\t" in word or (counted and len(found) == 1):
            raise CorpusError(path, number, f"Expected a word and nothing else on a line, but got {word[:80]!r}")
        found[word] = None
        if len(found) == limit:
            break
    if not found:
        raise CorpusError(path, 0, "Expected at least one word, but got none")
    return as_words(found, language)


def as_words(words: Iterable[str], language: str = "") -> list[Text]:
    """Words as texts that are their own ids, as gold pairs name them."""
    return [Text(word, word, language) for word in words]

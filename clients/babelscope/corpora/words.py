"""Words of two languages: dictionaries of word pairs, and vocabularies."""

import math
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

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


def read_word_pairs(path: str | Path) -> WordPairs:
    """Reads a dictionary: `source TAB target`, or MUSE's, which is separated by a space; plain or gzip.

    Further columns (weights) and empty lines are left out, and a pair given twice counts once. A word of several words
    needs tabs: `ice cream glace` could be read in two ways, and is refused.

    Raises:
        CorpusError: The file cannot be read, a line has no pair, or there is none at all.
    """
    path = Path(path)
    found: dict[tuple[str, str], None] = {}
    for number, line in read_lines(path):
        if not line.strip():
            continue
        try:
            source, target, *_ = pair_fields(line)
        except ValueError as error:
            raise CorpusError(path, number, str(error)) from None
        found[source, target] = None
    if not found:
        raise CorpusError(path, 0, "Expected at least one word pair, but got none")
    return WordPairs(tuple(found))


def pair_fields(line: str) -> list[str]:
    """The fields of a line of a dictionary: a word, its translation, and where the line has more, what they weigh.

    Args:
        line: Separated by tabs; or, without one, two words and maybe a weight, separated by spaces.

    Raises:
        ValueError: The line has no pair, or it cannot be told which words belong together.
    """
    if "\t" in line:
        fields = [field.strip() for field in line.split("\t")]
    else:
        fields = line.split()
        if len(fields) > 2 and not (len(fields) == 3 and _is_weight(fields[2])):
            raise ValueError(f"Expected a word and its translation, separated by a tab, but got {line[:80]!r}")
    if len(fields) < 2 or not (fields[0] and fields[1]):
        raise ValueError(f"Expected a word and its translation, but got {line[:80]!r}")
    return fields


def _is_weight(field: str) -> bool:
    try:
        return 0 <= float(field) < math.inf
    except ValueError:
        return False


def read_words(path: str | Path, *, language: str = "", limit: int = 0) -> list[Text]:
    """Reads a vocabulary, a word a line; each word is its own id. Words that come again are left out.

    Args:
        path: Path of the file, plain or gzip.
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

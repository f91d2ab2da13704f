"""The words of a corpus and the mean of each over all its contexts, by layer (Liu et al. 2020, section 3).

One pass: every word has a running float64 sum, so that memory depends on the vocabulary and not on the corpus.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from services.runtime.errors import LimitExceeded
from services.runtime.memory import Account, weight
from services.runtime.text.lexicon import Lexicon
from services.runtime.text.words import Span, segment
from services.runtime.work import check_here

_FIRST_ROWS = 64

LONGEST_WORD: Final = 256
"""Characters of a word. Longer runs of letters are coded data, not words, and are left out."""


class WordFinder:
    """Finds words in texts.

    Args:
        wanted: Words looked for; all words of a text where empty.
        ignore_case: Whether words that differ in case alone are one.
        language: BCP 47 tag, for the case of the Turkish i.
    """

    def __init__(self, wanted: Sequence[str] = (), *, ignore_case: bool = False, language: str = "") -> None:
        self._lexicon = Lexicon(wanted, language, match_case=not ignore_case)
        self._names: dict[str, str] = {}
        for word in wanted:
            check_here()
            self._names.setdefault(self._lexicon.key(word), word)

    def find(self, text: str) -> Iterator[tuple[str, Span]]:
        """Yields the words of running text, each by its name, and where they are."""
        if not self._names:
            for start, end in segment(text):
                yield self._lexicon.key(text[start:end]), (start, end)
            return
        for (start, end), _, known in self._lexicon.matches(text):
            if known:
                yield self._names[self._lexicon.key(text[start:end])], (start, end)

    def pick(self, text: str, spans: Iterable[Span]) -> Iterator[tuple[str, Span]]:
        """Yields those of a text's given words that are wanted, each by its name."""
        for start, end in spans:
            key = self._lexicon.key(text[start:end])
            if not self._names:
                yield key, (start, end)
            elif key in self._names:
                yield self._names[key], (start, end)


@dataclass(frozen=True, eq=False)
class WordMeans:
    """Some words with their means.

    Attributes:
        words: w words.
        counts: [w] int64, occurrences averaged.
        vectors: [w, K, d] float32.
    """

    words: tuple[str, ...]
    counts: NDArray[np.int64]
    vectors: NDArray[np.float32]


class WordSums:
    """A running sum a word.

    Args:
        layers: K.
        width: d.
        max_bytes: Bytes of all sums.
        account: Account that holds the bytes of the sums.
        names: Account that holds the words themselves.
    """

    def __init__(self, layers: int, width: int, max_bytes: int, account: Account, names: Account) -> None:
        self._account, self._names = account, names
        self._numbers: dict[str, int] = {}
        self._row_bytes = layers * width * 8
        self._most = max_bytes // self._row_bytes
        self._max_bytes = max_bytes
        self._sums = np.zeros((0, layers, width))
        self._counts = np.zeros(0, np.int64)
        self._firsts = np.zeros(0, np.int64)

    def number(self, word: str) -> int:
        """The number of a word, a new one where it is new.

        Raises:
            LimitExceeded: There are more words than there is room for, or they are too long for what the server holds.
        """
        if (number := self._numbers.get(word)) is not None:
            return number
        number = len(self._numbers)
        if number >= self._most:
            raise LimitExceeded(
                "word_bytes",
                f"Expected sums of at most {self._max_bytes} bytes, but there are more than {self._most} words of "
                f"{self._row_bytes} bytes each; name the words wanted, or ask for fewer layers",
            )
        self._names.take(weight(word))
        self._numbers[word] = number
        return number

    def add(self, numbers: NDArray[np.int64], places: NDArray[np.int64], rows: NDArray[np.float32]) -> None:
        """Takes occurrences in, in any order: the device computes texts of like length together.

        Args:
            numbers: [r], of the words.
            places: [r], that grow from one occurrence in the corpus to the next.
            rows: [r, K, d].
        """
        if not numbers.size:
            return
        self._grow(int(numbers.max()) + 1)
        order = np.argsort(numbers, kind="stable")
        found, starts, counts = np.unique(numbers[order], return_index=True, return_counts=True)
        self._sums[found] += np.add.reduceat(rows[order].astype(np.float64), starts, axis=0)
        self._counts[found] += counts
        self._firsts[found] = np.minimum(self._firsts[found], np.minimum.reduceat(places[order], starts))

    def means(self, min_count: int, part_bytes: int) -> Iterator[WordMeans]:
        """Yields the words that occurred often enough, in the order of their first occurrence with pieces.

        Args:
            min_count: Fewest occurrences; at least one counts in any case.
            part_bytes: Most bytes of a part, vectors and words; of one word, if that alone has more.
        """
        words = tuple(self._numbers)
        kept = np.flatnonzero(self._counts[: len(words)] >= max(min_count, 1))
        kept = kept[np.argsort(self._firsts[kept], kind="stable")]
        ends = np.cumsum([self._row_bytes // 2 + len(words[number].encode()) for number in kept])
        stop = 0
        while stop < kept.size:
            start, before = stop, ends[stop - 1] if stop else 0
            stop = max(start + 1, int(np.searchsorted(ends, before + part_bytes, side="right")))
            some = kept[start:stop]
            counts = self._counts[some]
            vectors = (self._sums[some] / counts[:, None, None]).astype(np.float32)
            yield WordMeans(tuple(words[number] for number in some), counts, vectors)

    @property
    def occurrences(self) -> int:
        """Occurrences averaged, of all words."""
        return int(self._counts.sum())

    @property
    def words(self) -> int:
        """Words with an occurrence."""
        return int((self._counts > 0).sum())

    def _grow(self, size: int) -> None:
        room = len(self._counts)
        if size <= room:
            return
        more = max(size, min(max(room + room // 2, _FIRST_ROWS), self._most)) - room
        self._account.take(more * self._row_bytes)
        self._sums = np.concatenate((self._sums, np.zeros((more, *self._sums.shape[1:]))))
        self._counts = np.concatenate((self._counts, np.zeros(more, np.int64)))
        self._firsts = np.concatenate((self._firsts, np.full(more, np.iinfo(np.int64).max)))

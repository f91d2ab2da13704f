"""The entries of a dictionary in running text: longest match, for entries of several words and unspaced scripts."""

from bisect import bisect_right
from collections.abc import Iterable, Iterator, Sequence
from itertools import accumulate, islice
from typing import Protocol

from services.runtime.text.forms import in_form
from services.runtime.text.words import Span, clusters, fold, is_unspaced, segment
from services.runtime.work import check_here


class Dictionary(Protocol):
    """A bilingual dictionary: source word to its translations with their weights."""

    def translations(self, word: str) -> tuple[tuple[str, float], ...]:
        """Translations of a word (case-folded look-up), best first; empty where it has none."""

    def sources(self) -> Iterable[str]:
        """All source words."""


class Lexicon:
    """Which words and groups of words a dictionary has.

    It takes seconds to make one of hundreds of thousands of entries; it stops where nobody waits for it (`check_here`).

    Args:
        entries: The dictionary's source words; one may be of several words.
        language: Their language, for case folding.
        match_case: Whether words that differ in case alone are different.

    Attributes:
        spans_spaces: Whether an entry has white space inside, so that a match may reach over a space.
    """

    def __init__(self, entries: Iterable[str], language: str = "", *, match_case: bool = False) -> None:
        self._language = language
        self._match_case = match_case
        self._known = {folded for entry in _looked_after(entries) if (folded := self.key(entry))}
        self.spans_spaces = any(" " in entry for entry in self._known)
        self._lengths: dict[str, set[int]] = {}  # of unspaced entries, in characters, by their first one
        self._counts: dict[str, set[int]] = {}  # of entries of several words, by their first one
        unspaced = {entry for entry in self._known if all(map(is_unspaced, entry))}
        for entry in _looked_after(unspaced):
            self._lengths.setdefault(entry[0], set()).add(len(entry))
        for entry in _looked_after(self._known - unspaced):
            words = [entry[start:end] for start, end in segment(entry, self._split)]
            if len(words) > 1:
                self._counts.setdefault(words[0], set()).add(len(words))
        self._most_words = max((count for counts in self._counts.values() for count in counts), default=1)

    def matches(self, text: str) -> Iterator[tuple[Span, int, bool]]:
        """Yields what the words of a text are: at each place the longest entry, else the next word.

        No more of the text is looked at than that takes, and it stops where nobody waits for it: entries that begin
        alike are all looked up at each place.

        Yields:
            The span, how many words it has, and whether it is an entry.
        """
        following = segment(text, self._split)
        ahead: list[Span] = []
        while True:
            check_here()
            ahead += islice(following, self._most_words - len(ahead))
            if not ahead:
                return
            entry = self._longest(text, ahead)
            count = max(entry, 1)
            yield (ahead[0][0], ahead[count - 1][1]), count, entry > 0
            del ahead[:count]

    def key(self, text: str) -> str:
        """The form by which a word or a group of words is looked up."""
        folded = in_form("NFC", text) if self._match_case else fold(text, self._language)
        return " ".join(folded.split())

    def _longest(self, text: str, spans: Sequence[Span]) -> int:
        """How many words the longest entry has that begins with the first of some words; 0 where there is none."""
        start, end = spans[0]
        first = self.key(text[start:end])
        for count in sorted(self._counts.get(first, ()), reverse=True):
            if count <= len(spans) and self.key(text[start : spans[count - 1][1]]) in self._known:
                return count
        return int(first in self._known)

    def _split(self, run: str) -> Iterator[int]:
        """Lengths of the words of a run without spaces: the longest entry, else a character with its marks."""
        following = accumulate(clusters(run))
        borders: list[int] = []  # after the place
        at = 0
        while at < len(run):
            lengths = sorted(self._lengths.get(run[at], ()), reverse=True)
            reach = at + max(lengths, default=1)
            while (not borders or borders[-1] < reach) and (border := next(following, None)) is not None:
                borders.append(border)
            ends = (at + n for n in lengths if run[at : at + n] in self._known)
            end = next((end for end in ends if end in borders), borders[0])
            yield end - at
            at = end
            del borders[: bisect_right(borders, at)]


def _looked_after(entries: Iterable[str]) -> Iterator[str]:
    """Yields entries as long as somebody waits for what is made of them."""
    for entry in entries:
        check_here()
        yield entry

"""Rewriting at the speed of a look-up: a text is cut at its spaces, and each piece is rewritten once and remembered.

It serves changes that depend on nothing but the words themselves: a dictionary's best translation, a permutation.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache

from services.datagen.text.bounds import joined
from services.datagen.text.edits import Edits

MEMORY = 1 << 24
"""What is remembered at most, in characters and a charge for each piece; then it begins anew."""
_CHARGE = 40
BORDERS = 1 << 12
"""Pieces whose changes are remembered: answers begin and end there."""
RECENT = 16
"""Whole texts remembered: the questions about one context follow one another."""
_REPLACED = 1 << 32


@dataclass(frozen=True, slots=True)
class Piece:
    """A piece of text with its changes.

    Attributes:
        edits: The changes.
        words: Words of the piece.
        replaced: How many of them were replaced.
    """

    edits: Edits
    words: int
    replaced: int


class ChunkRewriter:
    """Rewrites texts piece by piece; words must not reach over a space.

    Args:
        edit: Changes a piece.
    """

    def __init__(self, edit: Callable[[str], Piece]) -> None:
        self._memory = _Memory(edit)
        self._edit = lru_cache(maxsize=BORDERS)(edit)
        self._recent: dict[str, tuple[Chunked, int, int]] = {}

    def __call__(self, text: str) -> tuple["Chunked", int, int]:
        """Rewrites a text.

        Returns:
            The rewritten text, its words, and how many of them were replaced.
        """
        known = self._recent.get(text)
        if known is not None:
            return known
        memory = self._memory
        if memory.size > MEMORY:
            memory.forget()
        old = text.split(" ")
        new = list(map(memory.__getitem__, old))
        replaced, words = divmod(sum(map(memory.counts.__getitem__, old)), _REPLACED)
        if len(self._recent) >= RECENT:
            self._recent.clear()
        done = self._recent[text] = Chunked(text, new, self._edit), words, replaced
        return done


class Chunked:
    """A text rewritten piece by piece, that still knows the old one's offsets.

    Args:
        old: The old text.
        new: Its new pieces, one for each that a split at spaces gives.
        edit: Changes a piece, for the offsets within it.
    """

    def __init__(self, old: str, new: list[str], edit: Callable[[str], Piece]) -> None:
        self.text = joined(new, " ")
        self._old, self._new, self._edit = old, new, edit

    def span(self, start: int, end: int) -> tuple[int, int, bool]:
        """Where a span of the old text lies in the new one: start, end, and whether it was widened."""
        old, new = self._old, self._new
        index = old.count(" ", 0, start)
        # Joined again rather than summed up: one copy in C.
        before = len(" ".join(new[:index])) + bool(index)
        low, low_cut = self._within(start, Edits.start)
        last = index + old.count(" ", start, end)
        gap = len(" ".join(new[index:last])) + 1 if last > index else 0
        high, high_cut = self._within(end, Edits.end)
        return before + low, before + gap + high, low_cut or high_cut

    def _within(self, offset: int, place: Callable[[Edits, int], int]) -> tuple[int, bool]:
        """Where an offset lies within its piece's new form, and whether it cuts a replaced span."""
        began = self._old.rfind(" ", 0, offset) + 1
        stop = self._old.find(" ", offset)
        piece = self._old[began : stop if stop >= 0 else None]
        edits = self._edit(piece).edits
        if not edits.edits:
            return offset - began, False
        return place(edits, offset - began), edits.cuts(offset - began)


class _Memory(dict[str, str]):
    """New text by old piece, with the counts of each; what is not there is made and remembered."""

    def __init__(self, edit: Callable[[str], Piece]) -> None:
        super().__init__()
        self.edit = edit
        self.counts: dict[str, int] = {}
        self.size = 0

    def __missing__(self, piece: str) -> str:
        done = self.edit(piece)
        # An old and a new text that are equal are one object: less to hold.
        new = done.edits.text
        self[piece] = new
        self.counts[piece] = done.words + done.replaced * _REPLACED
        self.size += len(piece) + len(new) + _CHARGE
        return new

    def forget(self) -> None:
        self.clear()
        self.counts.clear()
        self.size = 0

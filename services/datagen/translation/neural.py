"""What neural back ends share: sentences in batches by tokens, and texts put together again."""

import threading
from collections.abc import Iterable, Iterator, Sequence
from typing import Final, Protocol

from babelscope.data.languages import read_tag

from services.datagen.translation.base import Translated
from services.datagen.translation.pieces import Piece, batches, halves, join, sentences, windows

_CHARACTERS_A_TOKEN: Final = 32
"""Characters that a token may have on average in what is translated at once."""


class Engine(Protocol):
    """A loaded model.

    Attributes:
        longest: Most source tokens of a piece.
    """

    longest: int

    def length(self, text: str) -> int:
        """Source tokens of a text."""

    def generate(self, texts: Sequence[str], source: str, target: str, beam: int) -> list[str]:
        """Translates a batch.

        Raises:
            InvalidArgument: The model does not know one of the languages.
        """


class NeuralTranslator:
    """Translates sentence by sentence, as these models were trained, in batches of like length.

    Args:
        engine: The model; used by one request at a time.
        name: Name of the system.
        beam: Hypotheses kept; 1 is greedy.
        batch_tokens: Padded source tokens of a batch.
    """

    def __init__(self, engine: Engine, name: str, *, beam: int, batch_tokens: int) -> None:
        self._engine, self._name, self._beam, self._budget = engine, name, beam, batch_tokens
        self._lock = threading.Lock()

    @property
    def name(self) -> str:
        """What it is, for the record."""
        return self._name

    def translate(self, texts: Iterable[str], source: str, target: str) -> Iterator[Translated]:
        """Translates a stream; as many texts are read ahead as fill some batches.

        Raises:
            InvalidArgument: The model does not know one of the languages.
        """
        spaced = not read_tag(target).unspaced
        for window in windows(map(self._cut, texts), self._budget):
            pieces = [piece.text for cut, _ in window for piece in cut]
            found = iter(self._generated(pieces, source, target))
            for cut, _ in window:
                yield Translated(join(cut, [next(found) for _ in cut], spaced=spaced))

    def _cut(self, text: str) -> tuple[list[Piece], int]:
        def fits(part: str) -> bool:
            # A much longer one is halved without a look at its tokens, which would take several hundred times its size.
            longest = self._engine.longest
            return len(part) <= _CHARACTERS_A_TOKEN * longest and self._engine.length(part) <= longest

        cut = [part for piece in sentences(text) for part in halves(piece, fits)]
        return cut, sum(self._engine.length(piece.text) for piece in cut)

    def _generated(self, pieces: Sequence[str], source: str, target: str) -> list[str]:
        distinct = list(dict.fromkeys(pieces))  # the questions about one context bring it again and again
        lengths = [self._engine.length(piece) for piece in distinct]
        found: dict[str, str] = {}
        for batch in batches(lengths, self._budget):
            texts = [distinct[i] for i in batch]
            with self._lock:
                found.update(zip(texts, self._engine.generate(texts, source, target, self._beam), strict=True))
        return [found[piece] for piece in pieces]

"""What every translating system is: texts in, translations out, in order, read lazily."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True, slots=True)
class Translated:
    """A translation.

    Attributes:
        text: The translation.
        words: Words of the source that a system counted; 0 where it counts none.
        unknown: Words among them that it did not know and kept.
    """

    text: str
    words: int = 0
    unknown: int = 0


class Translator(Protocol):
    """A system that translates."""

    @property
    def name(self) -> str:
        """What it is, for the record: `dictionary:muse`, `ctranslate:opus-mt-en-de`."""

    def translate(self, texts: Iterable[str], source: str, target: str) -> Iterator[Translated]:
        """Translates a stream.

        Args:
            texts: Not empty; read as far ahead as one batch.
            source: BCP 47 tag of the texts.
            target: BCP 47 tag of the translations.

        Yields:
            One translation a text, in the order of the texts.

        Raises:
            ServiceError: What stops the work; it belongs to the first text whose translation has not been given.
        """

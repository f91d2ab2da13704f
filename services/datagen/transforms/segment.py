"""Text cut into words, with spaces between them, for sub-words."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import ClassVar

from babelscope.data.examples import Example

from services.datagen.counts import StepReport
from services.datagen.preparation.segment import tokenise
from services.datagen.transforms.base import Resources
from services.datagen.transforms.whole_texts import changed


@dataclass(frozen=True)
class SegmentOptions:
    """Nothing to choose."""


class Segment:
    """Puts spaces between words and punctuation: by Moses' rules, for Chinese by jieba.

    Scripts written without spaces for which there is no segmenter here (Japanese, Thai, Lao, Khmer, Myanmar) give one
    word a character with its marks. A sentence in words becomes running text with a space after each word.
    """

    name: ClassVar[str] = "segment"
    summary: ClassVar[str] = "Puts spaces between words and punctuation (Moses; jieba for Chinese), for sub-words."
    passes: ClassVar[int] = 1
    Options = SegmentOptions

    def __init__(self, _options: SegmentOptions, _resources: Resources, _seed: int) -> None:
        """Nothing is drawn and nothing is asked for."""

    def apply(self, examples: Iterable[Example], report: StepReport) -> Iterator[Example]:
        """Segments a stream.

        Counts `read`, `kept`, `changed`, `dropped`, `annotation_lost`, `answers_widened`, `answers_dropped`.

        Raises:
            InvalidArgument: An answer's offset is wrong.
        """
        yield from changed(examples, _segmented, report, of_words=_as_they_are)


def _segmented(text: str, language: str) -> str:
    return " ".join(tokenise(text, language))


def _as_they_are(words: str, _language: str) -> str:
    return words

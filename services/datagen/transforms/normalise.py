"""Text normalised for pretraining: characters, white space, punctuation."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import ClassVar

from babelscope.data.examples import Example

from services.datagen.counts import StepReport
from services.datagen.preparation.normalise import normalise
from services.datagen.transforms.base import Resources
from services.datagen.transforms.whole_texts import changed


@dataclass(frozen=True)
class NormaliseOptions:
    """Nothing to choose."""


class Normalise:
    """Normalises texts: composed characters (NFC), no control characters, single spaces, punctuation in Moses' form.

    The rules are those of the example's language; Chinese and Japanese keep their full-width punctuation. An example of
    which nothing is left is dropped. A sentence in words becomes running text.
    """

    name: ClassVar[str] = "normalise"
    summary: ClassVar[str] = "Normalises characters, white space and punctuation (Moses), for pretraining."
    passes: ClassVar[int] = 1
    Options = NormaliseOptions

    def __init__(self, _options: NormaliseOptions, _resources: Resources, _seed: int) -> None:
        """Nothing is drawn and nothing is asked for."""

    def apply(self, examples: Iterable[Example], report: StepReport) -> Iterator[Example]:
        """Normalises a stream.

        Counts `read`, `kept`, `changed`, `dropped`, `annotation_lost`, `answers_widened`, `answers_dropped`.

        Raises:
            InvalidArgument: An answer's offset is wrong.
        """
        yield from changed(examples, normalise, report)

"""What every transform is: examples in, examples out, with counts, seeded for each example by its id.

A transform is one file of this folder: a frozen dataclass of options, and a class with `name`, `summary`, `Options`,
`passes` and `apply`. `registry.py` lists them. It knows no gRPC and no store: what it needs from outside (dictionaries,
other datasets, translation) comes through `Resources`.
"""

from collections.abc import Iterable, Iterator
from typing import ClassVar, Protocol

from babelscope.data.examples import Example

from services.datagen.counts import StepReport
from services.datagen.translation.base import Translator
from services.datagen.translation.choice import Choice
from services.runtime.text.lexicon import Dictionary


class Resources(Protocol):
    """What a transform may ask the service for."""

    def dictionary(self, reference: str, source: str, target: str) -> Dictionary:
        """A dictionary by name; NotFound or InvalidArgument where it cannot be had."""

    def dataset(self, name: str) -> Iterable[Example]:
        """The examples of a stored dataset; may be read several times."""

    def translator(self, choice: Choice) -> Translator:
        """A translating system; InvalidArgument, NotFound or FailedPrecondition where it cannot be had."""


class Transform(Protocol):
    """One step of a pipeline.

    Attributes:
        name: Its name in requests.
        summary: A sentence that says what it does.
        passes: How often it reads its input: 1 streams; with 2 the pipeline gives it an input that can be read again.
    """

    name: ClassVar[str]
    summary: ClassVar[str]
    passes: ClassVar[int]

    def apply(self, examples: Iterable[Example], report: StepReport) -> Iterator[Example]:
        """Transforms a stream; counts into `report` while it goes."""

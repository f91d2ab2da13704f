"""What every transform is: examples in, examples out, with counts, seeded for each example by its id.

A transform is one file of this folder: a frozen dataclass of options, and a class with `name`, `summary`, `Options`,
`passes` and `apply`. `registry.py` lists them. It knows no gRPC and no store: what it needs from outside (dictionaries,
other datasets, translation) comes through `Resources`.
"""

import hashlib
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import ClassVar, Protocol

import numpy as np
from babelscope.corpora.examples import Example

from services.datagen.translation.base import Translator
from services.datagen.translation.choice import Choice


@dataclass
class StepReport:
    """What one step did.

    Attributes:
        name: Name of the transform.
        counts: By name: `read`, `kept`, `dropped`, `replaced`, ...
        warnings: What to beware of, in words; each once.
    """

    name: str
    counts: Counter[str] = field(default_factory=Counter)
    warnings: list[str] = field(default_factory=list)

    def warn(self, warning: str) -> None:
        """Adds a warning, unless it is there."""
        if warning not in self.warnings:
            self.warnings.append(warning)


class Dictionary(Protocol):
    """A bilingual dictionary: source word to its translations with their weights."""

    def translations(self, word: str) -> tuple[tuple[str, float], ...]:
        """Translations of a word (case-folded look-up), best first; empty where it has none."""

    def sources(self) -> Iterable[str]:
        """All source words."""


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
        summary: What it does, a sentence.
        passes: How often it reads its input: 1 streams; with 2 the pipeline gives it an input that can be read again.
    """

    name: ClassVar[str]
    summary: ClassVar[str]
    passes: ClassVar[int]

    def apply(self, examples: Iterable[Example], report: StepReport) -> Iterator[Example]:
        """Transforms a stream; counts into `report` while it goes."""


def seed_of(seed: int, before: int) -> int:
    """The seed of a transform that occurs in a pipeline several times.

    Two steps that code-switch, or sample, must not draw the same numbers for an example: each has a seed of its own.
    The first has the request's, so that what a transform draws does not depend on the other steps beside it.

    Args:
        seed: The request's.
        before: How many steps with the same transform come before.
    """
    if not before:
        return seed
    return int.from_bytes(hashlib.sha256(f"{seed}\x1f{before}".encode()).digest()[:8], "big", signed=True)


def generator(seed: int, *names: str) -> np.random.Generator:
    """A generator that depends on the seed and on names (the transform's, the example's id) and on nothing else.

    So the same seed gives the same corpus whatever the batching, the order of arrival or the number of workers.
    """
    digest = hashlib.sha256("\x1f".join((str(seed), *names)).encode()).digest()
    return np.random.default_rng(np.frombuffer(digest, dtype=np.uint32))


def draw(seed: int, *names: str) -> float:
    """One number in [0, 1) that depends on the seed and on names alone, where a whole generator is not needed."""
    digest = hashlib.sha256("\x1f".join((str(seed), *names)).encode()).digest()
    return (int.from_bytes(digest[:8], "big") >> 11) / 2**53

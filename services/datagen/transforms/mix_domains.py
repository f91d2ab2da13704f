"""Domain mismatch: a share of a corpus replaced by examples of another one."""

from array import array
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from itertools import islice
from typing import ClassVar

import numpy as np
from babelscope.data.examples import Example
from babelscope.data.languages import read_tag

from services.datagen.counts import StepReport
from services.datagen.randomness import DRAW_BYTES, draw
from services.datagen.transforms.base import Resources
from services.runtime.errors import FailedPrecondition
from services.runtime.memory import hold_here, weight
from services.runtime.options import option


@dataclass(frozen=True)
class MixDomainsOptions:
    """How to mix."""

    dataset: str = option("dataset of the other domain")
    share: float = option("share of each language's examples taken from it", default=1.0, minimum=0, maximum=1)
    languages: tuple[str, ...] = option("languages to mix; all where empty", default=())


class MixDomains:
    """Replaces a share of each language's examples by examples of another domain in that language.

    Conneau, Wu et al. 2020, section 4.1: one language from another domain, of the same size (`share=1,languages=fr`).
    Every language keeps its number of examples; `round(share * number)` of them are replaced, exactly. Which leave and
    which come is drawn from the seed and their ids. Those that come keep their ids and carry the dataset's name in the
    attribute `domain`, if they have none. Eight bytes an example are held.
    """

    name: ClassVar[str] = "mix_domains"
    summary: ClassVar[str] = "Replaces a share of each language's examples by those of another dataset."
    passes: ClassVar[int] = 2
    Options = MixDomainsOptions

    def __init__(self, options: MixDomainsOptions, resources: Resources, seed: int) -> None:
        self._options, self._resources, self._seed = options, resources, seed

    def apply(self, examples: Iterable[Example], report: StepReport) -> Iterator[Example]:
        """Mixes a corpus, which is read twice, as is the other one.

        Counts `read`, `kept`, `replaced`, `replaced/LANGUAGE`, `available` (examples of the other dataset in these
        languages).

        Raises:
            FailedPrecondition: The other dataset has too few examples of a language, or one of its ids is in use.
        """
        ours = self._draws(examples, "out")
        theirs = self._draws(self._resources.dataset(self._options.dataset), "in")
        report.counts["available"] = sum(len(theirs[language]) for language in ours)
        numbers = {language: round(self._options.share * len(some)) for language, some in ours.items()}
        for language, number in numbers.items():
            if number > len(theirs[language]):
                raise FailedPrecondition(
                    f"dataset {self._options.dataset}",
                    f"Expected at least {number} examples in {language!r}, but it holds {len(theirs[language])}",
                )
        leaving, coming = _limits(ours, numbers), _limits(theirs, numbers)
        incoming = {
            language: islice(self._incoming(language, coming[language]), number) for language, number in numbers.items()
        }
        taken = self._taken(coming)
        for example in examples:
            report.counts["read"] += 1
            report.counts["kept"] += 1
            language = read_tag(example.language).canonical
            if numbers.get(language, 0) and self._draw("out", example) <= leaving[language]:
                numbers[language] -= 1
                report.counts["replaced"] += 1
                report.counts[f"replaced/{example.language}"] += 1
                yield next(incoming[language])
                continue
            if (language, example.id) in taken:
                raise FailedPrecondition(
                    f"dataset {self._options.dataset}", f"Expected ids of its own, but {example.id!r} is in both"
                )
            yield example

    def _draw(self, side: str, example: Example) -> float:
        return draw(self._seed, self.name, side, example.id)

    def _draws(self, examples: Iterable[Example], side: str) -> dict[str, "array[float]"]:
        """The draws of each language's examples, by its canonical tag."""
        chosen = {read_tag(tag).canonical for tag in self._options.languages}
        draws: dict[str, array[float]] = defaultdict(lambda: array("d"))
        for example in examples:
            language = read_tag(example.language).canonical
            if not chosen or language in chosen:
                draws[language].append(self._draw(side, example))
                hold_here(DRAW_BYTES)
        return draws

    def _incoming(self, language: str, limit: float) -> Iterator[Example]:
        for example in self._resources.dataset(self._options.dataset):
            if read_tag(example.language).canonical == language and self._draw("in", example) <= limit:
                domain = {"domain": self._options.dataset}
                yield replace(example, attributes={**domain, **example.attributes})

    def _taken(self, coming: Mapping[str, float]) -> set[tuple[str, str]]:
        taken = set()
        for example in self._resources.dataset(self._options.dataset):
            language = read_tag(example.language).canonical
            if language in coming and self._draw("in", example) <= coming[language]:
                taken.add((language, example.id))
                hold_here(weight(example.id))
        return taken


def _limits(draws: Mapping[str, "array[float]"], numbers: Mapping[str, int]) -> dict[str, float]:
    """The largest draw that is still among the smallest so many, by language; below all draws where none is."""
    return {
        language: float(np.partition(np.frombuffer(draws[language]), number - 1)[number - 1]) if number else -1.0
        for language, number in numbers.items()
    }

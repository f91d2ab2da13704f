"""Down-sampling to an exact size, equal for all languages and true to the labels where asked for."""

from array import array
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from babelscope.data.examples import Example, TextPair
from babelscope.data.languages import Spellings

from services.datagen.counts import StepReport
from services.datagen.randomness import DRAW_BYTES, draw
from services.datagen.transforms.base import Resources
from services.runtime.errors import FailedPrecondition, InvalidArgument
from services.runtime.memory import hold_here
from services.runtime.options import option

LABEL = "label"


@dataclass(frozen=True)
class SubsampleOptions:
    """How to sample."""

    size: int = option(
        "examples to keep, of each language where `equal`; 0: as many as the smallest language has",
        default=0,
        minimum=0,
    )
    equal: bool = option("the same number of every language", default=False)
    stratify: str = option("keep the shares of `label` (of pairs), or of an attribute by its name", default="")


Stratum = tuple[str, str]
"""A language (empty where sizes are not equal by language) and a stratum."""


class Subsample:
    """Keeps a seeded sample of exactly the size asked for (Hsu et al. 2019, section 2.3.2: down-sampling).

    An example is kept if its draw, from the seed and its id, is among the smallest of its group: the sample depends
    neither on order nor on batching, larger samples contain smaller ones, and parallel corpora keep the same ids. With
    strata each has its share of the size, rounded by largest remainder. Eight bytes an example are held.
    """

    name: ClassVar[str] = "subsample"
    summary: ClassVar[str] = "Keeps a random sample of exactly the size asked for."
    passes: ClassVar[int] = 2
    Options = SubsampleOptions

    def __init__(self, options: SubsampleOptions, _resources: Resources, seed: int) -> None:
        if not options.size and not options.equal:
            raise InvalidArgument("options[size]", "Expected a `size` of at least 1, or `equal=true`, but got neither")
        self._options, self._seed, self._spelled = options, seed, Spellings()

    def apply(self, examples: Iterable[Example], report: StepReport) -> Iterator[Example]:
        """Samples a corpus, which is read twice.

        Counts `read`, `kept`, `dropped`, `kept/LANGUAGE`.

        Raises:
            FailedPrecondition: There are fewer examples than asked for.
        """
        draws: dict[Stratum, array[float]] = defaultdict(lambda: array("d"))
        for example in examples:
            draws[self._group(example)].append(self._draw(example))
            hold_here(DRAW_BYTES)
        quotas = self._quotas({group: len(some) for group, some in draws.items()})
        limits = {
            group: float(np.partition(np.frombuffer(draws[group]), quota - 1)[quota - 1])
            for group, quota in quotas.items()
            if quota
        }
        for example in examples:
            report.counts["read"] += 1
            group = self._group(example)
            if quotas.get(group, 0) and self._draw(example) <= limits[group]:
                quotas[group] -= 1
                report.counts["kept"] += 1
                report.counts[f"kept/{self._spelled(example.language)}"] += 1
                yield example
            else:
                report.counts["dropped"] += 1

    def _draw(self, example: Example) -> float:
        return draw(self._seed, self.name, example.id)

    def _group(self, example: Example) -> Stratum:
        language, by = self._spelled(example.language) if self._options.equal else "", self._options.stratify
        if by == LABEL and isinstance(example.content, TextPair):
            return language, example.content.label
        return language, example.attributes.get(by, "") if by else ""

    def _quotas(self, sizes: Mapping[Stratum, int]) -> dict[Stratum, int]:
        """How many of each group to keep."""
        totals: Counter[str] = Counter()
        for (language, _), size in sizes.items():
            totals[language] += size
        size = self._options.size or min(totals.values(), default=0)
        quotas: dict[Stratum, int] = {}
        for language, total in sorted(totals.items()):
            if size > total:
                of = f" of language {language!r}" if self._options.equal else ""
                raise FailedPrecondition("subsample", f"Expected at least {size} examples{of}, but got {total}")
            strata = {group: count for group, count in sizes.items() if group[0] == language}
            quotas |= shares(strata, size)
        return quotas


def shares(counts: Mapping[Stratum, int], size: int) -> dict[Stratum, int]:
    """Divides a size in proportion to counts, whole numbers by largest remainder, ties by name.

    Args:
        counts: Members of each group.
        size: Total, at most the sum of the counts.
    """
    total = sum(counts.values())
    whole = {group: size * count // total for group, count in counts.items()}
    by_rest = sorted(counts, key=lambda group: (-(size * counts[group] % total), group))
    for group in by_rest[: size - sum(whole.values())]:
        whole[group] += 1
    return whole

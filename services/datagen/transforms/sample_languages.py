"""How much of each language: exponent sampling, and sentence budgets."""

from array import array
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from typing import ClassVar

import numpy as np
from babelscope.data.examples import Example
from babelscope.data.languages import Spellings

from services.datagen.counts import StepReport
from services.datagen.preparation.sampling import EXPONENT, Budget, budgets
from services.datagen.randomness import DRAW_BYTES, draw
from services.datagen.transforms.base import Resources
from services.runtime.errors import InvalidArgument
from services.runtime.memory import hold_here
from services.runtime.options import option


@dataclass(frozen=True)
class SampleLanguagesOptions:
    """How much of each language."""

    total: int = option("examples in all; as many as there are where 0", default=0, minimum=0)
    exponent: float = option(
        "of each language's share: 1 keeps the shares, 0 makes them equal", default=EXPONENT, minimum=0, maximum=1
    )
    repeat: bool = option(
        "whether a language may be seen more than once; else what it cannot give goes to the others", default=True
    )


class SampleLanguages:
    """Takes of each language what exponent sampling gives it (Conneau & Lample 2019, equation 1).

    Budgets sum to the total exactly. Every example of a language is taken as often as all fit into its budget; which
    ones once more, is drawn from the seed and their ids: neither order nor batching matters, and parallel corpora keep
    the same ids. The second copy of an example is `ID#2` and so on, with the attribute `origin`. Eight bytes an
    example are held.
    """

    name: ClassVar[str] = "sample_languages"
    summary: ClassVar[str] = "Samples by language, with shares raised to an exponent, to a number of examples in all."
    passes: ClassVar[int] = 2
    Options = SampleLanguagesOptions

    def __init__(self, options: SampleLanguagesOptions, _resources: Resources, seed: int) -> None:
        self._options, self._seed = options, seed

    def apply(self, examples: Iterable[Example], report: StepReport) -> Iterator[Example]:
        """Samples a corpus, which is read twice.

        Counts `read`, `kept` (copies among them), `dropped`, `kept/LANGUAGE`, `available/LANGUAGE`.

        Raises:
            InvalidArgument: Without repetition there are fewer examples than asked for.
        """
        draws: dict[str, array[float]] = defaultdict(lambda: array("d"))
        spelled = Spellings()
        for example in examples:
            draws[spelled(example.language)].append(self._draw(example))
            hold_here(DRAW_BYTES)
        if not draws:
            return
        plan = self._budgets({language: len(some) for language, some in draws.items()})
        limits: dict[str, float] = {}
        left: Counter[str] = Counter()
        for language, budget in plan.items():
            report.counts[f"available/{language}"] = budget.available
            if rest := budget.sentences % budget.available:
                limits[language] = float(np.partition(np.frombuffer(draws[language]), rest - 1)[rest - 1])
                left[language] = rest
        for example in examples:
            report.counts["read"] += 1
            language = spelled(example.language)
            budget = plan[language]
            times = budget.sentences // budget.available
            if left[language] and self._draw(example) <= limits[language]:
                left[language] -= 1
                times += 1
            report.counts["dropped"] += not times
            report.counts["kept"] += times
            report.counts[f"kept/{language}"] += times
            for number in range(1, times + 1):
                yield example if number == 1 else _copy(example, number)

    def _budgets(self, sizes: dict[str, int]) -> dict[str, Budget]:
        options = self._options
        try:
            return budgets(sizes, options.total or sum(sizes.values()), options.exponent, repeat=options.repeat)
        except InvalidArgument as error:
            raise InvalidArgument(f"options[{error.field}]", error.problem) from error

    def _draw(self, example: Example) -> float:
        return draw(self._seed, self.name, example.id)


def _copy(example: Example, number: int) -> Example:
    attributes = {"origin": example.id, **example.attributes}
    return replace(example, id=f"{example.id}#{number}", attributes=attributes)

"""Training, development and test parts that share nothing."""

import hashlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from typing import ClassVar, Literal

from babelscope.data.examples import Example, Question

from services.datagen.counts import StepReport
from services.datagen.randomness import draw
from services.datagen.transforms.base import Resources
from services.runtime.errors import FailedPrecondition, InvalidArgument
from services.runtime.memory import hold_here, weight
from services.runtime.options import option


@dataclass(frozen=True)
class SplitOptions:
    """How to split."""

    dev: float = option("share of the development part", default=0.1, minimum=0, maximum=1)
    test: float = option("share of the test part", default=0.1, minimum=0, maximum=1)
    keep: Literal["all", "train", "dev", "test"] = option("the part to give on; all with their names", default="all")
    together: str = option(
        "attribute whose equal values stay in one part: `document`, the article of SQuAD's questions", default=""
    )


class Split:
    """Assigns each example to train, dev or test, as its attribute `split`.

    The part is drawn for a *group* of examples, by the group's smallest id and the seed: parallel versions (the same
    id), windows of one text (the same `origin`), questions about one context and, where `together` names an attribute,
    examples with the same value of it, with whatever these lead to in turn, are always in the same part, so nothing
    leaks. The shares are expectations: the draw does not know how many examples there are.
    """

    name: ClassVar[str] = "split"
    summary: ClassVar[str] = "Splits into train, dev and test; parallel versions stay together."
    passes: ClassVar[int] = 2
    Options = SplitOptions

    def __init__(self, options: SplitOptions, _resources: Resources, seed: int) -> None:
        if options.dev + options.test > 1:
            problem = f"Expected `dev` and `test` to be at most 1 together, but got {options.dev + options.test:g}"
            raise InvalidArgument("options[dev]", problem)
        self._options, self._seed = options, seed

    def apply(self, examples: Iterable[Example], report: StepReport) -> Iterator[Example]:
        """Splits a corpus, which is read twice where examples belong together.

        Counts `read`, `kept`, `dropped` (of parts not asked for), `train`, `dev`, `test`.

        Raises:
            FailedPrecondition: No example has the attribute that says what stays together.
        """
        groups = _Groups()
        by, found = self._options.together, False
        for example in examples:
            if isinstance(example.content, Question):
                groups.join(_root(example), _digest("context", example.content.context))
            if by and (value := example.attributes.get(by)):
                groups.join(_root(example), _digest(by, value))
                found = True
        if by and not found:
            problem = f"Expected examples with the attribute {by!r}, which `together` names, but none has it"
            raise FailedPrecondition("split", problem)
        for example in examples:
            report.counts["read"] += 1
            part = self._part(groups.smallest(_root(example)))
            report.counts[part] += 1
            if self._options.keep not in ("all", part):
                report.counts["dropped"] += 1
                continue
            report.counts["kept"] += 1
            yield replace(example, attributes={**example.attributes, "split": part})

    def _part(self, group: str) -> str:
        number = draw(self._seed, self.name, group)
        if number < self._options.test:
            return "test"
        return "dev" if number < self._options.test + self._options.dev else "train"


def _root(example: Example) -> str:
    return example.attributes.get("origin", example.id)


def _digest(kind: str, text: str) -> bytes:
    return hashlib.blake2b(f"{kind}\0{text}".encode("utf-8", "surrogatepass"), digest_size=16).digest()


class _Groups:
    """Ids joined by what they share; an id that shares nothing is not held."""

    def __init__(self) -> None:
        self._above: dict[str, str] = {}
        self._first: dict[bytes, str] = {}

    def join(self, name: str, shared: bytes) -> None:
        """Puts an id into the group of what has a digest."""
        if shared not in self._first:
            hold_here(weight(name))
        other = self._first.setdefault(shared, name)
        one, two = self.smallest(name), self.smallest(other)
        if one != two:
            self._above[max(one, two)] = min(one, two)
            hold_here(weight(name))

    def smallest(self, name: str) -> str:
        """The smallest id of a group."""
        path = []
        while name in self._above:
            path.append(name)
            name = self._above[name]
        for one in path:
            self._above[one] = name
        return name

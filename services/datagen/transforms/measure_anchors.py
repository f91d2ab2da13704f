"""Anchors of a corpus measured on its way: what its languages share."""

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import combinations
from typing import ClassVar

from babelscope.data.examples import Example
from babelscope.data.languages import Spellings

from services.datagen.counts import StepReport
from services.datagen.preparation.anchors import compare
from services.datagen.preparation.vocabulary import SPECIALS
from services.datagen.text.content import texts
from services.datagen.transforms.base import Resources
from services.runtime.memory import hold_newest
from services.runtime.options import option


@dataclass(frozen=True)
class MeasureAnchorsOptions:
    """What counts."""

    ignore: tuple[str, ...] = option("tokens that do not count", default=SPECIALS)
    keep: bool = option("whether the examples are given on; else they end here", default=True)


class MeasureAnchors:
    """Counts what each two languages of a corpus share (Conneau, Wu et al. 2020, section 4.2).

    Tokens stand between white space: put it after `segment` for words, after `cut_subwords` for sub-words. Examples are
    given on as they are. The token types are held.
    """

    name: ClassVar[str] = "measure_anchors"
    summary: ClassVar[str] = "Counts the tokens that each two languages of a corpus share; changes nothing."
    passes: ClassVar[int] = 1
    Options = MeasureAnchorsOptions

    def __init__(self, options: MeasureAnchorsOptions, _resources: Resources, _seed: int) -> None:
        self._options = options

    def apply(self, examples: Iterable[Example], report: StepReport) -> Iterator[Example]:
        """Passes a stream on and counts.

        Counts `read`, `kept`; of each language `types/LANGUAGE` and `tokens/LANGUAGE`; of each two
        `shared_types/ONE+OTHER` and `shared_tokens/ONE+OTHER` (of both, whose type is shared).
        """
        counts = report.counts
        tokens: dict[str, Counter[str]] = {}
        spelled = Spellings()
        for example in examples:
            counts["read"] += 1
            known = tokens.setdefault(spelled(example.language), Counter())
            for text in texts(example.content):
                before = len(known)
                known.update(text.split())
                hold_newest(known, len(known) - before)
            if self._options.keep:
                counts["kept"] += 1
                yield example
        for known in tokens.values():
            for token in self._options.ignore:
                known.pop(token, None)
        for language in sorted(tokens):
            counts[f"types/{language}"] = len(tokens[language])
            counts[f"tokens/{language}"] = tokens[language].total()
        for one, other in combinations(sorted(tokens), 2):
            found = compare(tokens[one], tokens[other])
            counts[f"shared_types/{one}+{other}"] = found.shared_types
            counts[f"shared_tokens/{one}+{other}"] = found.left_shared + found.right_shared

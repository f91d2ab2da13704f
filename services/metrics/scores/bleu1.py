"""BLEU of order 1 (Papineni et al. 2002), precision and brevity penalty apart (Liu et al. 2020, tables 2 and 3).

With m clipped matches, c predicted and r reference tokens of the corpus: precision `m / c`, penalty `exp(min(0, 1 -
r / c))`, BLEU-1 their product. A perfect answer of half the length has precision 100 and BLEU-1 36.8.
"""

from collections import Counter
from typing import ClassVar

import numpy as np
from babelscope.data.examples import Example

from services.metrics.arrays import F64
from services.metrics.scores import tokens
from services.metrics.scores.base import Figure, ItemTable, Score, content, ratio
from services.runtime.errors import InvalidArgument


class Bleu1:
    """BLEU-1 of predicted running text against one reference each.

    Args:
        language: BCP 47 language tag.
        options: Choice of tokens.
    """

    name: ClassVar[str] = "bleu1"
    summary: ClassVar[str] = "BLEU of order 1; prediction and gold are running text."
    Options = tokens.TokenOptions

    def __init__(self, language: str, options: tokens.TokenOptions) -> None:
        self._tokens = options.unit(language)
        self._rows: list[tuple[int, int, int]] = []

    def add(self, prediction: Example, gold: Example, where: str) -> None:
        """Counts matches and lengths of an item."""
        found = tokens.split(content(prediction, str, f"{where}.prediction"), self._tokens)
        right = tokens.split(content(gold, str, f"{where}.gold"), self._tokens)
        if not right:
            raise InvalidArgument(f"{where}.gold", f"Expected a reference with words in {gold.id!r}, but got none")
        matches = sum((Counter(found) & Counter(right)).values())
        self._rows.append((matches, len(found), len(right)))

    def merge(self, other: Score) -> None:
        """Joins the counts of a shard."""
        assert isinstance(other, Bleu1)
        self._rows += other._rows

    def table(self) -> ItemTable:
        """Matches, predicted and reference lengths an item."""
        precision = ratio(0, 1, empty=0.0)
        return ItemTable(
            np.array(self._rows, dtype=np.float64),
            (
                Figure("bleu1", "corpus", lambda sums: precision(sums) * _penalty(sums)),
                Figure("bleu1_precision", "corpus", precision),
                Figure("brevity_penalty", "corpus", _penalty),
            ),
            {"tok": self._tokens, "case": "mixed"},
        )


def _penalty(sums: F64) -> F64:
    """The brevity penalty; 0 where nothing is predicted, as in sacreBLEU."""
    found, right = sums[..., 1], sums[..., 2]
    penalty: F64 = np.where(found > 0, np.exp(np.minimum(0.0, 1.0 - right / np.where(found > 0, found, 1.0))), 0.0)
    return penalty

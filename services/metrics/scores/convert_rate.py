"""Convert rate (Liu et al. 2020): how much of what is predicted is in the target language.

With the token sets Vs and Vt seen in the source and in the target corpus, and predicted tokens y:
`#(y in Vt - Vs) / (#y - #(y in Vs and Vt))`. Tokens of both languages are in neither term.
"""

from typing import ClassVar, Final

import numpy as np
from babelscope.data.examples import Example

from services.metrics.arrays import F64
from services.metrics.scores import tokens
from services.metrics.scores.base import Figure, ItemTable, Score, content, ratio
from services.runtime.errors import InvalidArgument

SOURCE: Final = "source"
"""Attribute of a gold example with the sentence in the source language."""


class ConvertRate:
    """Share of predicted tokens that are the target language's own.

    Args:
        language: BCP 47 language tag of the target.
        options: Choice of tokens.
    """

    name: ClassVar[str] = "convert_rate"
    summary: ClassVar[str] = (
        "Share of predicted tokens of the target language; running text, gold with the attribute `source`."
    )
    Options = tokens.TokenOptions

    def __init__(self, language: str, options: tokens.TokenOptions) -> None:
        self._tokens = options.unit(language)
        self._predicted: list[list[str]] = []
        self._source: set[str] = set()
        self._target: set[str] = set()

    def add(self, prediction: Example, gold: Example, where: str) -> None:
        """Keeps predicted tokens, and those of both corpora."""
        found = content(prediction, str, f"{where}.prediction")
        right = content(gold, str, f"{where}.gold")
        source = gold.attributes.get(SOURCE, "")
        if not source.strip():
            raise InvalidArgument(
                f"{where}.gold.attributes[{SOURCE}]",
                f"Expected the source sentence of {gold.id!r} in this attribute, but got none",
            )
        self._predicted.append(tokens.split(found, self._tokens))
        self._target.update(tokens.split(right, self._tokens))
        self._source.update(tokens.split(source, self._tokens))

    def merge(self, other: Score) -> None:
        """Joins the tokens of a shard: the sets are those of the whole corpus."""
        assert isinstance(other, ConvertRate)
        self._predicted += other._predicted
        self._source |= other._source
        self._target |= other._target

    def table(self) -> ItemTable:
        """Tokens of the target alone, and all but shared ones, an item."""
        own, shared = self._target - self._source, self._target & self._source
        rows = [
            (sum(token in own for token in found), sum(token not in shared for token in found))
            for found in self._predicted
        ]
        sizes = {"source": len(self._source), "target": len(self._target), "shared": len(shared)}
        return ItemTable(
            np.array(rows, dtype=np.float64),
            (
                Figure("convert_rate", "corpus", ratio(0, 1, scale=1.0)),
                *(Figure("token_set_size", name, _Constant(size), by_item=False) for name, size in sizes.items()),
            ),
            {"tok": self._tokens, "sets": "x".join(str(size) for size in sizes.values())},
        )


class _Constant:
    """A figure that is the same in every sample."""

    def __init__(self, value: float) -> None:
        self._value = value

    def __call__(self, sums: F64) -> F64:
        return np.full(sums.shape[:-1], float(self._value))

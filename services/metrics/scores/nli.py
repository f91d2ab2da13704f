"""Accuracy of labels of pairs of texts, with the confusion matrix."""

import re
from collections import Counter
from dataclasses import dataclass
from typing import ClassVar, Final

import numpy as np
from babelscope.data.examples import Example, TextPair

from services.metrics.scores.base import Figure, ItemTable, Score, content, ratio
from services.metrics.scores.confusion import MAX_LABELS, MISSING, Column
from services.metrics.scores.inventory import outside
from services.metrics.scores.placeholders import refuse_constant
from services.runtime.errors import InvalidArgument
from services.runtime.options import option

NO_GOLD: Final = "-"
"""SNLI's label of a pair whose annotators did not agree (Bowman et al. 2015): such a pair is not scored."""

UNKNOWN_CLASS: Final = "-1"
"""The class that datasets of the hub have where no label is known: SNLI's pairs without one there."""

_NUMBER: Final = re.compile(r"([0-9]{1,9})(?:\.0+)?")


@dataclass(frozen=True)
class NliOptions:
    """Options of the accuracy of labels."""

    labels: str | None = option(
        "Names of the numbers 0, 1, ..., where labels are numbers: `entailment,neutral,contradiction`. Where not "
        "given, numbers on one side against names on the other are refused.",
        default=None,
    )


class Nli:
    """Accuracy and confusion matrix. Pairs whose gold label is `-` are left out and counted.

    So are those whose gold label is -1, where names of numbers are told or no prediction is -1. Numbers are compared as
    numbers: 1.0 is 1.

    Args:
        language: Language tag; changes nothing.
        options: See `options`.
    """

    name: ClassVar[str] = "nli"
    summary: ClassVar[str] = (
        "Accuracy of labels with their confusion matrix; gold is a pair of texts, prediction one or the label as text."
    )
    Options = NliOptions

    def __init__(self, language: str, options: NliOptions) -> None:
        self._names = () if options.labels is None else _names(options.labels)
        self._labels: list[tuple[str, str]] = []

    def add(self, prediction: Example, gold: Example, where: str) -> None:
        """Keeps the gold and the predicted label."""
        right = content(gold, TextPair, f"{where}.gold").label.strip()
        if not right:
            raise InvalidArgument(f"{where}.gold.pair.label", f"Expected a gold label in {gold.id!r}, but got none")
        said = prediction.content
        found = said if isinstance(said, str) else content(prediction, TextPair, f"{where}.prediction").label
        right = self._named(right, f"{where}.gold.pair.label")
        self._labels.append((right, self._named(found.strip(), f"{where}.prediction") or MISSING))

    def _named(self, label: str, where: str) -> str:
        """The name of a label that is a number, where names are told; else the number."""
        number = _NUMBER.fullmatch(label)
        if number is None:
            return label
        if not self._names:
            return number[1]
        if int(number[1]) >= len(self._names):
            raise InvalidArgument(
                where, f"Expected a number within 0..{len(self._names) - 1}, as `labels` has names, but got {label!r}"
            )
        return self._names[int(number[1])]

    def merge(self, other: Score) -> None:
        """Joins the labels of a shard."""
        assert isinstance(other, Nli)
        self._labels += other._labels

    def table(self) -> ItemTable:
        """One indicator a cell of the confusion matrix, then whether the label is right, and 1."""
        labels = self._without_unknown()
        pairs = [pair for pair in labels if pair[0] != NO_GOLD]
        if not pairs:
            raise InvalidArgument(
                "items", f"Expected gold labels, but all {len(labels)} are {self._none()}, which stands for none"
            )
        refuse_constant([right for right, _ in pairs], "labels")
        golds = {right for right, _ in pairs}
        said = Counter(found for _, found in pairs if found != MISSING)
        _refuse_numbers(said, golds)
        names = sorted({label for pair in pairs for label in pair})
        if len(names) > MAX_LABELS:
            raise InvalidArgument("items", f"Expected at most {MAX_LABELS} labels, but got {len(names)}")
        numbers = {name: index for index, name in enumerate(names)}
        size = len(names)
        scored = np.array([right != NO_GOLD for right, _ in labels])
        rows = np.zeros((len(labels), size * size + 2))
        for row, (right, found) in zip(rows, labels, strict=True):
            if right != NO_GOLD:
                row[numbers[right] * size + numbers[found]] = 1
                row[-2:] = right == found, 1
        cells = tuple(
            Figure("confusion", "count", Column(numbers[gold] * size + numbers[found]), gold, found, by_item=False)
            for gold in names
            if gold in golds
            for found in names
        )
        figures = (Figure("accuracy", "micro", ratio(-2, -1)), *cells)
        return ItemTable(rows, figures, {"labels": size}, self._warnings(said, golds), scored)

    def _without_unknown(self) -> list[tuple[str, str]]:
        """The labels, a gold one that is -1 as `NO_GOLD` where it stands for none."""
        if not self._names and any(found == UNKNOWN_CLASS for _, found in self._labels):
            return self._labels
        return [(NO_GOLD if right == UNKNOWN_CLASS else right, found) for right, found in self._labels]

    def _none(self) -> str:
        """What stands for no gold label."""
        golds = {right for right, _ in self._labels}
        return ", ".join(repr(label) for label in (NO_GOLD, UNKNOWN_CLASS) if label in golds)

    def _warnings(self, said: Counter[str], golds: set[str]) -> tuple[str, ...]:
        items = len(self._labels)
        kept = sum(right != NO_GOLD for right, _ in self._without_unknown())
        missing = kept - said.total()
        warnings = []
        if kept < items:
            warnings.append(f"{items - kept} of {items} items have no gold label ({self._none()}) and are left out")
        if missing:
            warnings.append(f"{missing} of {kept} items have no predicted label and count as errors")
        return (*warnings, *outside(said, golds, "labels"))


def _names(text: str) -> tuple[str, ...]:
    names = tuple(name.strip() for name in text.split(","))
    if not all(names) or len(set(names)) != len(names):
        raise InvalidArgument(
            "spec.options[labels]", f"Expected different names separated by commas, but got {text[:80]!r}"
        )
    return names


def _refuse_numbers(said: Counter[str], golds: set[str]) -> None:
    """Refuses numbers on one side where the other side has names: which number is which name is not known.

    Raises:
        InvalidArgument: A predicted label is a number and no gold label is one, or the other way round.
    """
    sides = {"predicted": set(said), "gold": golds}
    for side, other in (("predicted", "gold"), ("gold", "predicted")):
        numbers = sorted(filter(_NUMBER.fullmatch, sides[side]))
        names = sorted(sides[other])
        if numbers and names and not any(map(_NUMBER.fullmatch, names)):
            raise InvalidArgument(
                "items",
                f"Expected {side} labels such as {', '.join(map(repr, names[:5]))}, but got the numbers "
                f"{', '.join(numbers[:5])}: the option `labels` tells their names in order, that of 0 first",
            )

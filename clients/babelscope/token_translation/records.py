"""What is found about token translation from one language into another, as plain records."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

METRICS: Final = ("bleu1", "bleu1_precision", "brevity_penalty", "convert_rate")
"""Figures of every setting."""


@dataclass(frozen=True, slots=True)
class ShiftFigure:
    """One number of one setting with its 95 % interval.

    Attributes:
        metric: One of `METRICS`.
        value: The number; BLEU-1 and its precision in per cent.
        low: Lower end of the interval.
        high: Upper end of the interval.
        n: Pairs of texts.
        signature: All settings behind it.
    """

    metric: str
    value: float
    low: float
    high: float
    n: int
    signature: str


@dataclass(frozen=True, slots=True)
class ShiftScores:
    """The figures of one setting.

    Attributes:
        layer: Layer at which hidden states are shifted; None where none are.
        alpha: Factor of the shift; 0 where there is none.
        figures: The figures. The convert rate is left out where all that is predicted belongs to both languages.
    """

    layer: int | None
    alpha: float
    figures: tuple[ShiftFigure, ...]

    def value(self, metric: str) -> float | None:
        """The value of a figure; None where it is not determined."""
        return next((each.value for each in self.figures if each.metric == metric), None)


@dataclass(frozen=True, slots=True)
class ShiftOutput:
    """What one text becomes under one setting: pieces, joined by spaces."""

    layer: int | None
    alpha: float
    text: str


@dataclass(frozen=True, slots=True)
class ShiftSample:
    """One text with its reference translation and what it becomes under some settings (Liu et al. 2020, table 1)."""

    id: str
    source: str
    reference: str
    outputs: tuple[ShiftOutput, ...]


@dataclass(frozen=True, slots=True)
class TokenTranslation:
    """Token translation from one language into another by one model.

    Attributes:
        model: Name of the model.
        digest: Digest of its weights.
        source: Language of the texts.
        target: Language that the shift points to.
        texts: Texts that both languages have, which are scored.
        source_tokens: Tokens in the mean of the source language.
        target_tokens: Tokens in the mean of the target language.
        source_set: Different tokens of the source language's texts (Liu et al. 2020, table 3).
        target_set: Different tokens of the target language's texts.
        shared_set: Different tokens of both.
        settings: First without a shift, then by layer and factor.
        samples: Some texts.
        warnings: Warnings, in words.
    """

    model: str
    digest: str
    source: str
    target: str
    texts: int
    source_tokens: int
    target_tokens: int
    source_set: int
    target_set: int
    shared_set: int
    settings: tuple[ShiftScores, ...]
    samples: tuple[ShiftSample, ...] = ()
    warnings: tuple[str, ...] = ()

    @property
    def plain(self) -> ShiftScores:
        """The figures without a shift."""
        return self.settings[0]

    @property
    def shifted(self) -> tuple[ShiftScores, ...]:
        """The figures of all shifts."""
        return self.settings[1:]

    @property
    def layers(self) -> tuple[int, ...]:
        """Layers at which hidden states are shifted."""
        return tuple(dict.fromkeys(each.layer for each in self.shifted if each.layer is not None))

    @property
    def alphas(self) -> tuple[float, ...]:
        """Factors of the shifts."""
        return tuple(dict.fromkeys(each.alpha for each in self.shifted))

    @property
    def best(self) -> ShiftScores:
        """The setting of the highest BLEU-1; the first of equal ones."""
        return max(self.shifted, key=lambda each: each.value("bleu1") or 0.0)

    def at(self, layer: int, alpha: float) -> ShiftScores:
        """The figures of one shift.

        Raises:
            LookupError: It was not asked for.
        """
        for each in self.shifted:
            if (each.layer, each.alpha) == (layer, alpha):
                return each
        raise LookupError(f"Expected a shift of {self.source} to {self.target} at layer {layer} by {alpha:g}")


def cells(found: TokenTranslation) -> Iterator[dict[str, Any]]:
    """Rows of the tidy table: a number each, its factor as the estimator, `plain` where there is no shift."""
    shared = {"kind": "token_translation", "model": found.model, "source": found.source, "target": found.target}
    for setting in found.settings:
        estimator = "plain" if setting.layer is None else f"alpha={setting.alpha:g}"
        for each in setting.figures:
            yield {
                **shared, "metric": each.metric, "estimator": estimator,
                "layer": "" if setting.layer is None else setting.layer, "value": each.value, "low": each.low,
                "high": each.high, "n": each.n, "signature": each.signature,
            }  # fmt: skip
    sizes = {"source": found.source_set, "target": found.target_set, "shared": found.shared_set}
    for name, size in sizes.items():
        yield {**shared, "metric": "token_set_size", "estimator": name, "value": float(size), "n": found.texts}

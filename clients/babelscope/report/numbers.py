"""A result's rows by what they measure: the series by layer of which sentences, tables and figures are made."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from babelscope.study.result import Row, StudyResult


@dataclass(frozen=True, slots=True)
class LayerMeasure:
    """A number's kind, metric and estimator; `centred` for retrieval after subtraction of each language's mean."""

    kind: str
    metric: str
    estimator: str
    centred: bool = False

    @property
    def key(self) -> str:
        """A short key: `cka/debiased`, `p@1/csls+centred`."""
        return f"{self.metric}/{self.estimator}{'+centred' if self.centred else ''}"


@dataclass(frozen=True, slots=True)
class SeriesKey:
    """What a series measures. Similarity is symmetric: `Numbers.find` takes its languages in either order."""

    measure: LayerMeasure
    model: str
    reinit: str
    source: str
    target: str


@dataclass(frozen=True, slots=True)
class Series:
    """One measure of one pair of one variant, by layer.

    Attributes:
        key: What it measures.
        rows: Rows by layer, ascending.
    """

    key: SeriesKey
    rows: tuple[Row, ...]

    @property
    def layers(self) -> tuple[int, ...]:
        """The layers, ascending."""
        return tuple(row.layer for row in self.rows)

    @property
    def values(self) -> tuple[float, ...]:
        """The estimates, a layer each."""
        return tuple(row.value for row in self.rows)

    @property
    def peak(self) -> Row:
        """The row of the largest value; the lowest layer among equals."""
        return max(self.rows, key=lambda row: (row.value, -row.layer))

    def at(self, layer: int) -> Row | None:
        """The row of a layer, if measured."""
        return next((row for row in self.rows if row.layer == layer), None)


class Numbers:
    """All series of a result.

    Args:
        result: The result.
    """

    def __init__(self, result: StudyResult) -> None:
        grouped: dict[SeriesKey, list[Row]] = {}
        for row in result.rows:
            measure = LayerMeasure(row.kind, row.metric, row.estimator, row.centred)
            grouped.setdefault(SeriesKey(measure, row.model, row.reinit, row.source, row.target), []).append(row)
        self.series: Mapping[SeriesKey, Series] = {
            key: Series(key, tuple(sorted(rows, key=lambda row: row.layer))) for key, rows in grouped.items()
        }

    def measures(self, kind: str, model: str) -> tuple[LayerMeasure, ...]:
        """The measures of one kind for a model, in the order of the result."""
        found = (key.measure for key in self.series if key.measure.kind == kind and key.model == model)
        return tuple(dict.fromkeys(found))

    def find(self, measure: LayerMeasure, model: str, reinit: str, source: str, target: str) -> Series | None:
        """A series, if measured; for similarity in either order of its languages."""
        series = self.series.get(SeriesKey(measure, model, reinit, source, target))
        if series is None and measure.kind == "similarity":
            series = self.series.get(SeriesKey(measure, model, reinit, target, source))
        return series

    def of(self, measure: LayerMeasure, model: str, reinit: str = "") -> tuple[Series, ...]:
        """All pairs' series of a measure for one variant."""
        return tuple(
            series
            for key, series in self.series.items()
            if key.measure == measure and key.model == model and key.reinit == reinit
        )

    def from_source(self, measure: LayerMeasure, model: str, reinit: str, source: str) -> dict[str, Series]:
        """By other language, the series of all pairs with `source` (for retrieval: with `source` as the query)."""
        found = {}
        for series in self.of(measure, model, reinit):
            if series.key.source == source:
                found[series.key.target] = series
            elif series.key.target == source and measure.kind == "similarity":
                found[series.key.source] = series
        return found


def mean_by_layer(series: Iterable[Series]) -> dict[int, float]:
    """The mean over series at every layer that all of them have."""
    listed = list(series)
    if not listed:
        return {}
    shared = set(listed[0].layers).intersection(*(each.layers for each in listed))
    columns = [dict(zip(each.layers, each.values, strict=True)) for each in listed]
    return {layer: sum(column[layer] for column in columns) / len(columns) for layer in sorted(shared)}


def chance_by_layer(series: Iterable[Series]) -> dict[int, tuple[float, float]]:
    """By layer, the mean over series of the null's mean and of its standard deviation."""
    listed = list(series)
    found: dict[int, tuple[float, float]] = {}
    for layer in mean_by_layer(listed):
        rows = [row for each in listed if (row := each.at(layer)) is not None]
        count = len(rows)
        found[layer] = sum(row.null_mean for row in rows) / count, sum(row.null_sd for row in rows) / count
    return found

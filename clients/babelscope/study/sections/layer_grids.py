"""Every layer of one side with every layer of the other: within one model, or between two."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Literal, cast

from babelscope.data.comparison import Comparison, Estimate
from babelscope.study.design import MeasureDesign, Study
from babelscope.study.nodes import Node
from babelscope.study.offers import Wanted
from babelscope.study.result import ModelUse
from babelscope.study.sections.base import Asked, Cells, Found, Section, Services, ShowProgress, Task
from babelscope.study.values import fail_if_twice, get, layers, measure, one_or_more

GridPairs = Literal["all", "sources", "same"]
Matrix = tuple[tuple[float, ...], ...]

# The right side of a language that is compared with itself needs a name of its own.
_RIGHT = " (right)"


@dataclass(frozen=True, slots=True)
class GridDesign:
    """What is asked.

    Attributes:
        pairs: `all`, `sources`, or `same`: each language with itself.
        measures: Measures; those of the study where None.
        models: Labels of two models, left and right; each model of the study with itself where None.
        layers: Layers; those of the study where None.
    """

    pairs: GridPairs = "sources"
    measures: tuple[MeasureDesign, ...] | None = None
    models: tuple[str, str] | None = None
    layers: tuple[int, ...] | None = None


@dataclass(frozen=True, slots=True)
class Grid:
    """One measure of one pair of languages over all pairs of layers.

    Attributes:
        metric: `cka`, `svcca`, ...
        estimator: Variant of the measure.
        source: Left language.
        target: Right language.
        source_model: Name of the left model used.
        target_model: Name of the right model used.
        pooling: Pooling of the hidden states.
        source_layers: Left layers, ascending.
        target_layers: Right layers, ascending.
        values: Values by left layer, then by right layer.
        low: Lower ends of the 95 % intervals.
        high: Upper ends.
        null_mean: Chance levels.
        null_sd: Their spreads.
        n: Items used.
        signatures: All settings behind the numbers; more than one where they differ by layer.
        warnings: Warnings.
    """

    metric: str
    estimator: str
    source: str
    target: str
    source_model: str
    target_model: str
    pooling: str
    source_layers: tuple[int, ...]
    target_layers: tuple[int, ...]
    values: Matrix
    low: Matrix
    high: Matrix
    null_mean: Matrix
    null_sd: Matrix
    n: int
    signatures: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()


def read(node: Node, study: Study) -> tuple[GridDesign, ...]:
    """The section of a study file: one grid, or a list of them."""
    return one_or_more(node, lambda item: _read(item, study))


def _read(node: Node, study: Study) -> GridDesign:
    keys = node.mapping("pairs", "measures", "models", "layers")
    return GridDesign(
        pairs=get(keys, "pairs", lambda item: cast(GridPairs, item.choice("all", "sources", "same")), "sources"),
        measures=get(keys, "measures", lambda item: item.unique(measure), None),
        models=get(keys, "models", lambda item: _models(item, study), None),
        layers=get(keys, "layers", layers, None),
    )


def _models(node: Node, study: Study) -> tuple[str, str] | None:
    if node.value == "each":
        return None
    labels = [item.choice(*(model.label for model in study.models)) for item in node.items()]
    fail_if_twice(node, labels, "two models,")
    if len(labels) != 2:
        node.fail("`each`, or the labels of two models")
    return labels[0], labels[1]


def plan(designs: tuple[GridDesign, ...], asked: Asked) -> list[Task]:
    """A request for every grid and model, or pair of models."""
    return [_task(design, left, right, asked) for design in designs for left, right in _sides(design, asked)]


def _sides(design: GridDesign, asked: Asked) -> list[tuple[ModelUse, ModelUse]]:
    if design.models is None:
        return [(use, use) for use in asked.models]
    by_label = {use.label: use for use in asked.uses}
    return [(by_label[design.models[0]], by_label[design.models[1]])]


def _task(design: GridDesign, left: ModelUse, right: ModelUse, asked: Asked) -> Task:
    study = asked.study
    pairs = (
        tuple((language, language) for language in study.languages)
        if design.pairs == "same"
        else study.language_pairs(design.pairs)
    )
    measures = design.measures or study.measures
    chosen = design.layers or study.layers
    for use in (left, right):
        asked.check_layers("layer_grids.layers", chosen, use)
    apart = left != right or design.pairs == "same"
    names = [(source, target + _RIGHT if apart else target) for source, target in pairs]
    languages = [language for pair in pairs for language in pair]

    def depends(found: Found) -> dict[str, Any]:
        del found
        return {
            **asked.encoded((left, right), languages),
            "layers": chosen,
            "pairs": pairs,
            "measures": [each.depends for each in measures],
            "standardise": study.standardise,
            "drop": study.drop_top_variance,
        }

    def ask(mesh: Services, found: Found, show: ShowProgress | None) -> Sequence[Grid]:
        del found
        views = {}
        for (source, target), (first, second) in zip(pairs, names, strict=True):
            views[first] = asked.view(left, source)
            views[second] = asked.view(right, target)
        answer: Comparison = mesh.metrics.compare(
            views,
            [each.measure for each in measures],
            names,
            layers=chosen,
            pooling=study.pooling,
            overflow=study.overflow,
            alignment=study.alignment,
            layer_pairing="all",
            standardise=study.standardise,
            drop_top_variance=study.drop_top_variance,
            progress=show,
            **study.computed,
        )
        return _grids(answer.estimates, dict(zip(names, pairs, strict=True)), left, right, study.pooling)

    between = left.used if left == right else f"{left.used} with {right.used}"
    return Task(f"layer by layer similarity of {len(pairs)} language pairs, {between}", depends, ask)


def _grids(
    estimates: Iterable[Estimate],
    languages: dict[tuple[str, str], tuple[str, str]],
    left: ModelUse,
    right: ModelUse,
    pooling: str,
) -> list[Grid]:
    """Estimates gathered to grids, in the order of the pairs and, within one, of the measures' names."""
    gathered: dict[tuple[str, str, str, str], list[Estimate]] = {}
    for each in estimates:
        gathered.setdefault((each.left, each.right, each.metric, each.estimator), []).append(each)
    order = list(languages)
    grids = []
    for key in sorted(gathered, key=lambda key: (order.index((key[0], key[1])), key[2:])):
        listed = gathered[key]
        source, target = languages[key[0], key[1]]
        rows = sorted({each.left_layer for each in listed})
        columns = sorted({each.right_layer for each in listed})
        at = {(each.left_layer, each.right_layer): each for each in listed}
        matrix = {
            field: tuple(tuple(float(getattr(at[row, column], field)) for column in columns) for row in rows)
            for field in ("value", "low", "high", "null_mean", "null_sd")
        }
        grids.append(
            Grid(
                metric=key[2],
                estimator=key[3],
                source=source,
                target=target,
                source_model=left.used,
                target_model=right.used,
                pooling=pooling,
                source_layers=tuple(rows),
                target_layers=tuple(columns),
                values=matrix["value"],
                low=matrix["low"],
                high=matrix["high"],
                null_mean=matrix["null_mean"],
                null_sd=matrix["null_sd"],
                n=listed[0].n,
                signatures=tuple(dict.fromkeys(each.signature for each in listed)),
                warnings=tuple(dict.fromkeys(warning for each in listed for warning in each.warnings)),
            )
        )
    return grids


def cells(grid: Grid) -> Iterable[Cells]:
    """A line a pair of layers: its layer is `LEFT|RIGHT`, and so is its model where the two differ."""
    model = grid.source_model if grid.source_model == grid.target_model else f"{grid.source_model}|{grid.target_model}"
    for row, left in enumerate(grid.source_layers):
        for column, right in enumerate(grid.target_layers):
            yield {
                "kind": "layer_grid", "metric": grid.metric, "estimator": grid.estimator, "model": model,
                "pooling": grid.pooling, "source": grid.source, "target": grid.target, "layer": f"{left}|{right}",
                "value": grid.values[row][column], "low": grid.low[row][column], "high": grid.high[row][column],
                "n": grid.n, "signature": " ; ".join(grid.signatures),
            }  # fmt: skip


def wanted(designs: tuple[GridDesign, ...]) -> list[Wanted]:
    """The measures of the grids that have their own."""
    return [each.wanted for design in designs for each in design.measures or ()]


SECTION = Section("layer_grids", Grid, read, plan, cells, wanted)

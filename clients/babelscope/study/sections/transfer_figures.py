"""Figures of transfer from one language to another: from a table, the study file, its retrieval or its scores."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from babelscope.errors import StudyError
from babelscope.study.design import Study
from babelscope.study.nodes import Node
from babelscope.study.paths import corpus_path
from babelscope.study.result import ModelUse
from babelscope.study.sections.base import Found
from babelscope.study.sections.tabular import read_table
from babelscope.study.values import get, need, number

ORIGINS = ("table", "scores", "retrieval", "score")


@dataclass(frozen=True, slots=True)
class Transfer:
    """What a model trained in `source` reaches in `target`; of any model where `model` is empty."""

    source: str
    target: str
    score: float
    model: str = ""


@dataclass(frozen=True, slots=True)
class Figures:
    """Where figures come from: one of the three.

    Attributes:
        given: Figures of a table or of the study file.
        file: Name of the table; None for figures of the study file.
        retrieval: Metric and estimator of the study's own retrieval, not centred; the mean of both directions.
        layer: Layer of the retrieval: a number, `best` (that of the highest mean) or `same` (that of the similarity).
        score: Name, metric and estimator of a score of the study, from its `source` to its language.
    """

    given: tuple[Transfer, ...] = ()
    file: Path | None = None
    retrieval: tuple[str, str] | None = None
    layer: int | Literal["best", "same"] = "best"
    score: tuple[str, str, str] | None = None

    @property
    def by_layer(self) -> bool:
        """Whether they differ from layer to layer, so that a mean over layers has no figure of its own."""
        return self.retrieval is not None and self.layer == "same"

    def find(self, found: Found, use: ModelUse, uses: Sequence[ModelUse], layer: int) -> list[Transfer]:
        """The figures for one model and layer of similarity.

        Raises:
            StudyError: A table names a model that the study does not have, or the study has not measured them.
        """
        if self.retrieval is not None:
            return self._retrieved(found, use, layer)
        if self.score is not None:
            return self._scored(found)
        labels = {name for each in uses for name in (each.label, each.asked, each.used)}
        for each in self.given:
            if each.model and each.model not in labels:
                raise StudyError(
                    f"Expected the models of `transfer` among {', '.join(sorted(labels))}, but got {each.model!r}"
                )
        mine = {name for each in uses if each.used == use.used for name in (each.label, each.asked, each.used)}
        return [each for each in self.given if each.model in {"", *mine}]

    def _retrieved(self, found: Found, use: ModelUse, layer: int) -> list[Transfer]:
        by_layer: dict[int, list[Transfer]] = {}
        for row in found.rows:
            if (row.kind, row.model, row.reinit, row.centred) == ("retrieval", use.used, "", False) and (
                row.metric,
                row.estimator,
            ) == self.retrieval:
                by_layer.setdefault(row.layer, []).append(Transfer(row.source, row.target, row.value))
        if not by_layer:
            raise StudyError(
                f"Expected `transfer.retrieval` {self.retrieval} to be measured by the study, but it is not"
            )
        if self.layer == "best":
            wanted = max(by_layer, key=lambda each: (_mean(by_layer[each]), -each))
        else:
            wanted = layer if self.layer == "same" else self.layer
        if wanted not in by_layer:
            raise StudyError(f"Expected `transfer.retrieval.layer` among {sorted(by_layer)}, but got {wanted}")
        return _both_ways(by_layer[wanted])

    def _scored(self, found: Found) -> list[Transfer]:
        assert self.score is not None
        name, metric, estimator = self.score
        return [
            Transfer(each.source, each.language, figure.value)
            for each in found.records.get("scores", ())
            if each.name == name and each.source and each.source != each.language
            for figure in each.figures
            if figure.metric == metric and figure.estimator == (estimator or figure.estimator)
        ]


def _both_ways(figures: Sequence[Transfer]) -> list[Transfer]:
    """One figure a pair of languages, the mean of both directions: similarity has but one value for both."""
    by_pair: dict[frozenset[str], list[Transfer]] = {}
    for each in figures:
        by_pair.setdefault(frozenset((each.source, each.target)), []).append(each)
    return [Transfer(listed[0].source, listed[0].target, _mean(listed)) for listed in by_pair.values()]


def _mean(figures: Sequence[Transfer]) -> float:
    return sum(each.score for each in figures) / len(figures)


def read_figures(node: Node, keys: Mapping[str, Node], study: Study) -> Figures:
    """The figures that an item of `transfer` names.

    Raises:
        StudyError: It names none, or more than one origin, or what the study does not have.
    """
    origins = [key for key in ORIGINS if key in keys]
    if len(origins) != 1:
        node.fail(f"one of the keys {', '.join(ORIGINS)}", origins)
    origin = keys[origins[0]]
    if origins[0] == "table":
        path = corpus_path(origin, "")
        table = read_table(path, ("source", "target", "score"))
        given = tuple(
            Transfer(row["source"], row["target"], table.number(at, "score"), row.get("model", ""))
            for at, row in enumerate(table.rows)
        )
        return Figures(_once(origin, given), file=path)
    if origins[0] == "scores":
        return Figures(_once(origin, tuple(_given(item, study) for item in origin.items())))
    if origins[0] == "retrieval":
        return _of_retrieval(origin, study)
    options = origin.mapping("name", "metric", "estimator")
    return Figures(
        score=(
            need(origin, options, "name").text(),
            need(origin, options, "metric").text(),
            get(options, "estimator", Node.text, ""),
        )
    )


def _given(node: Node, study: Study) -> Transfer:
    keys = node.mapping("source", "target", "score", "model")
    source, target = (need(node, keys, key).choice(*study.languages) for key in ("source", "target"))
    return Transfer(source, target, number(need(node, keys, "score")), get(keys, "model", Node.text, ""))


def _once(node: Node, given: tuple[Transfer, ...]) -> tuple[Transfer, ...]:
    seen: set[tuple[str, str, str]] = set()
    for each in given:
        if (each.source, each.target, each.model) in seen:
            node.fail("each pair of languages once a model", f"{each.source} to {each.target} twice")
        seen.add((each.source, each.target, each.model))
    return given


def _of_retrieval(node: Node, study: Study) -> Figures:
    if study.retrieval is None:
        node.fail("this only where the study has a key `retrieval`", "no such key")
    keys = node.mapping("metric", "estimator", "layer")
    similarities = study.retrieval.similarities
    if False not in study.retrieval.centre:
        node.fail("retrieval of the study that is not centred", "centred only")
    layer: int | Literal["best", "same"] = "best"
    if "layer" in keys:
        given = keys["layer"]
        layer = given.integer(0) if isinstance(given.value, int) else _word(given)
    return Figures(
        retrieval=(
            get(keys, "metric", lambda item: item.choice("p@1", "p@5", "p@10", "mrr"), "p@1"),
            get(keys, "estimator", lambda item: item.choice(*similarities), similarities[-1]),
        ),
        layer=layer,
    )


def _word(node: Node) -> Literal["best", "same"]:
    return "best" if node.choice("best", "same") == "best" else "same"

"""A study in files with a section, and a mesh that answers what sections ask from arithmetic."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
from babelscope.calls.measures import Measure
from babelscope.calls.scoring import Scores
from babelscope.calls.views import View
from babelscope.data.comparison import Comparison, Estimate, PairReport, ViewReport
from babelscope.data.models import Model, ModelInfo
from babelscope.data.statistics import Anova, Correlation
from babelscope.study import Study, StudyResult, load_study, run_study

from tests.support.offers import Offers

STUDY = """
name: small
title: Does it run?
corpus: {{pattern: "{{language}}.txt"}}
languages: {languages}
models: {models}
{extra}
"""
LANGUAGES = ("en", "fr", "de", "ru", "zh")
NEAR = {"en": 0.0, "fr": 0.8, "de": 0.7, "ru": 0.4, "zh": 0.2}


class ArithmeticMesh(Offers):
    """Both clients in one. Values depend on languages, layers and models alone; calls are kept."""

    def __init__(self) -> None:
        self.calls: list[tuple[str, dict[str, Any]]] = []

    @property
    def encoder(self) -> "ArithmeticMesh":
        return self

    @property
    def metrics(self) -> "ArithmeticMesh":
        return self

    def get_model(self, model: Model, *, timeout: float | None = None) -> ModelInfo:
        return ModelInfo(model.name, layers=2, hidden_size=8, family="bert", max_tokens=32, digest=f"d-{model.name}")

    def compare(
        self, views: Mapping[str, View], measures: Sequence[Measure], pairs: Any = None, **options: Any
    ) -> Comparison:
        pairs = list(pairs or options.pop("pairs"))
        self.calls.append(("compare", {"views": views, "measures": measures, "pairs": pairs, **options}))
        layers = options["layers"] or range(3)
        both = options.get("layer_pairing") == "all"
        estimates = [
            estimate(
                measure.name,
                measure.estimator or "debiased",
                left,
                right,
                one,
                two,
                value(views, left, right, one, two),
            )
            for left, right in pairs
            for measure in measures
            for one in layers
            for two in (layers if both else [one])
        ]
        return Comparison(tuple(reversed(estimates)), *reports(views, pairs))

    def retrieve(
        self, views: Mapping[str, View], similarities: Sequence[str], pairs: Any, **options: Any
    ) -> Comparison:
        self.calls.append(("retrieve", {"views": views, "pairs": list(pairs), **options}))
        estimates = [
            estimate(
                "p@1", similarity, left, right, layer, layer, (value(views, left, right, layer, layer) + back) ** 2
            )
            for back, ways in ((0, pairs), (0.1, [(right, left) for left, right in pairs]))
            for left, right in ways
            for similarity in similarities
            for layer in (options["layers"] or range(3))
        ]
        seen, told = reports(views, pairs)
        if "gold" in options:
            covered = {one for one, other in options["gold"] if other in {text.id for text in views["target"].texts}}
            sources = {one for one, _ in options["gold"]}
            lacking = tuple(sorted(sources - covered))
            told = (PairReport("source", "target", len(covered), 0, 0, lacking, len(sources), len(covered)),)
        return Comparison(tuple(estimates), seen, told)

    def correlate(
        self, x: Sequence[float], y: Sequence[float], methods: Sequence[str], **options: Any
    ) -> dict[str, Any]:
        self.calls.append(("correlate", {"x": list(x), "y": list(y), "methods": methods, **options}))
        return {each: Correlation(each, 0.5, 0.1, 0.8, 0.04, len(x), f"method:{each}") for each in methods}

    def anova(self, groups: Mapping[str, Sequence[float]]) -> Anova:
        self.calls.append(("anova", {"groups": dict(groups)}))
        count = sum(map(len, groups.values()))
        return Anova(4.5, 0.03, len(groups) - 1, count - len(groups), 0.4, 0.3, "test:anova")

    def score(self, score: str, items: Sequence[Any], *, language: str, options: Any, progress: Any) -> Scores:
        items = list(items)
        self.calls.append(("score", {"score": score, "items": items, "language": language, "options": dict(options)}))
        right = sum(said.content == gold.content for said, gold in items)
        plain = estimate("accuracy", "", "", "", 0, 0, 100.0 * right / len(items))
        cell = estimate("confusion", "", "yes", "no", 0, 0, float(len(items) - right))
        return Scores((plain, cell), score, language)


def value(views: Mapping[str, View], left: str, right: str, one: int, two: int) -> float:
    languages = [views[name].language for name in (left, right)]
    models = {views[name].model.name for name in (left, right)}  # type: ignore[union-attr]
    near = sum(NEAR[language] for language in languages) / (2 if "en" not in languages else 1)
    return round(
        (1.0 if languages[0] == languages[1] else near) - abs(one - two) / 10 - 0.05 * (len(models) - 1) + 0.01 * one, 9
    )


def estimate(metric: str, estimator: str, *places: Any) -> Estimate:
    """Of left and right name, left and right layer, and a value."""
    *sides, number = places
    return Estimate(
        metric, estimator, *sides, number, number - 0.05, number + 0.05, n=6, null_mean=0.01, null_sd=0.002, p=8, q=8,
        left_kept=0, right_kept=0, signature=f"metric:{metric}|est:{estimator}", warnings=(),
    )  # fmt: skip


def reports(views: Mapping[str, View], pairs: Sequence[tuple[str, str]]) -> tuple[Any, Any]:
    return (
        tuple(ViewReport(name, 6, 0, 50, "", "") for name in views),
        tuple(PairReport(left, right, 6, 0, 0, ()) for left, right in pairs),
    )


@pytest.fixture
def mesh() -> ArithmeticMesh:
    """A mesh that knows every model."""
    return ArithmeticMesh()


@pytest.fixture
def section(tmp_path: Path) -> Callable[..., Study]:
    """Reads a study with a section, its texts written next to it."""

    def write(extra: str, models: str = "[tiny]", languages: Sequence[str] = LANGUAGES) -> Study:
        for language in languages:
            body = "".join(f"s{at}\tsentence {at} in {language}\n" for at in range(6))
            (tmp_path / f"{language}.txt").write_text(body)
        path = tmp_path / "study.yaml"
        path.write_text(STUDY.format(languages=f"[{', '.join(languages)}]", models=models, extra=extra))
        return load_study(path)

    return write


@pytest.fixture
def run(mesh: ArithmeticMesh, tmp_path: Path) -> Callable[[Study], StudyResult]:
    """Runs a study, and holds that its result comes back from its file as it was."""

    def go(study: Study) -> StudyResult:
        run_study(study, mesh, tmp_path / "out")
        return StudyResult.read(tmp_path / "out" / "results.json")

    return go

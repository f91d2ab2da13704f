"""A small study on disk, and a mesh that answers from arithmetic and counts what it is asked."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
from babelscope.calls.measures import Measure
from babelscope.calls.views import View
from babelscope.data.comparison import Comparison, Estimate, PairReport, ViewReport
from babelscope.data.models import Model, ModelInfo
from babelscope.errors import NotFound

from tests.support.offers import Offers

STUDY = """
name: small
title: Does it run?
corpus:
  pattern: "{language}.txt"
languages: [en, fr, sw]
models: [tiny]
"""


@pytest.fixture
def study_file(tmp_path: Path) -> Callable[..., Path]:
    """Writes a study with its texts; keyword arguments replace keys of the file's YAML."""

    def write(extra: str = "", text: str = STUDY, lines: int = 6) -> Path:
        for language in ("en", "fr", "sw", "zh"):
            body = "".join(f"s{at}\tsentence {at} in {language}\n" for at in range(lines))
            (tmp_path / f"{language}.txt").write_text(body)
        path = tmp_path / "study.yaml"
        path.write_text(text + extra)
        return path

    return write


class FakeMesh(Offers):
    """Both clients in one: knows some models, and gives values that depend on all that they should depend on."""

    def __init__(self, models: Mapping[str, str] | None = None) -> None:
        self.models = dict(models or {"tiny": "d1"})
        self.asked: list[str] = []
        self.broken = 0
        self.trouble: dict[str, Exception] = {}

    @property
    def encoder(self) -> "FakeMesh":
        return self

    @property
    def metrics(self) -> "FakeMesh":
        return self

    def get_model(self, model: Model, *, timeout: float | None = None) -> ModelInfo:
        if model.name in self.trouble and timeout is not None:
            raise self.trouble[model.name]
        if model.name not in self.models:
            raise NotFound(f"Expected the name of a model, but there is none called {model.name!r}", name=model.name)
        return ModelInfo(
            model.name, layers=4, hidden_size=8, family="bert", max_tokens=32, digest=self.models[model.name]
        )

    def compare(self, views: Mapping[str, View], measures: Sequence[Measure], **options: Any) -> Comparison:
        return self._answer(views, [(each.name, each.estimator or "mean") for each in measures], **options)

    def retrieve(self, views: Mapping[str, View], similarities: Sequence[str], **options: Any) -> Comparison:
        both = [*options["pairs"], *((right, left) for left, right in options["pairs"])]
        metrics = [(metric, similarity) for metric in ("mrr", "p@5", "p@1") for similarity in similarities]
        return self._answer(views, metrics, **{**options, "pairs": both})

    def _answer(self, views: Mapping[str, View], metrics: Sequence[tuple[str, str]], **options: Any) -> Comparison:
        if self.broken and len(self.asked) >= self.broken:
            raise KeyboardInterrupt
        model = next(iter(views.values())).model
        assert isinstance(model, Model)
        self.asked.append(f"{metrics[0][0]} {model.name} {model.reinit_label}".strip())
        ids = {
            name: {text.id for text in view.texts or () if not isinstance(text, str)} for name, view in views.items()
        }
        estimates = [
            Estimate(
                metric, estimator, left, right, layer, layer, len(model.reinit_label) + layer / 10, low=0.0, high=1.0,
                n=len(ids[left] & ids[right]), null_mean=0.0, null_sd=0.01, p=8, q=8, left_kept=0, right_kept=0,
                signature=f"metric:{metric}", warnings=(),
            )
            # Backwards, as a server that answers as it is done might.
            for left, right in reversed(list(options["pairs"]))
            for metric, estimator in metrics
            for layer in reversed(options["layers"] or range(5))
        ]  # fmt: skip
        pairs = [
            PairReport(
                left, right, len(ids[left] & ids[right]), len(ids[left] - ids[right]), len(ids[right] - ids[left]), ()
            )
            for left, right in options["pairs"]
        ]
        reports = [ViewReport(name, len(ids[name]), 1, 50, "", "") for name in views]
        return Comparison(tuple(estimates), tuple(reports), tuple(pairs))


@pytest.fixture
def mesh() -> FakeMesh:
    """A mesh that knows the model `tiny`."""
    return FakeMesh()

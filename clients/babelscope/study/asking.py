"""Asking for a step of a study: similarity or retrieval by layer of one variant of a model."""

import time
from collections.abc import Callable, Sequence
from typing import Any

from babelscope.calls.views import View
from babelscope.data.comparison import Comparison, Estimate
from babelscope.study.answers import KeptAnswer
from babelscope.study.design import Study
from babelscope.study.interventions import edits
from babelscope.study.plan import StudyStep
from babelscope.study.provenance import now
from babelscope.study.result import PairUse, Row
from babelscope.study.sections import Services, ShowProgress
from babelscope.study.texts import StudyTexts


def ask_step(study: Study, step: StudyStep, mesh: Services, texts: StudyTexts, show: ShowProgress | None) -> KeptAnswer:
    """Similarity or retrieval of one step: its rows in an order that does not depend on what was finished first."""
    views = {
        language: View(
            texts=texts.corpus.texts[language],
            model=step.model,
            interventions=edits(study.interventions, language, step.use),
            language=language,
        )
        for language in step.languages
    }
    common: dict[str, Any] = {
        "pairs": step.pairs,
        "layers": study.layers,
        "pooling": study.pooling,
        "overflow": study.overflow,
        "alignment": study.alignment,
        "progress": show,
        **study.computed,
    }
    begun = time.monotonic()
    if step.kind == "similarity":
        found: Comparison = mesh.metrics.compare(
            views,
            [each.measure for each in study.measures],
            standardise=study.standardise,
            drop_top_variance=study.drop_top_variance,
            **common,
        )
    else:
        assert study.retrieval is not None
        found = mesh.metrics.retrieve(views, study.retrieval.similarities, centre=step.centre, **common)
    seconds = time.monotonic() - begun
    rows = sorted((_row(study, step, each) for each in found.estimates), key=_order(study, found.estimates))
    return KeptAnswer(
        rows=tuple(rows),
        pairs=tuple(PairUse(each.left, each.right, each.n, each.left_only, each.right_only) for each in found.pairs),
        truncated={each.name: each.truncated for each in found.views},
        tokens={each.name: each.tokens for each in found.views},
        seconds=round(seconds, 3),
        computed=now(),
    )


def _row(study: Study, step: StudyStep, estimate: Estimate) -> Row:
    return Row(
        kind=step.kind,
        metric=estimate.metric,
        estimator=estimate.estimator,
        model=step.use.used,
        reinit=step.variant.reinit,
        pooling=study.pooling,
        source=estimate.left,
        target=estimate.right,
        layer=estimate.left_layer,
        value=estimate.value,
        low=estimate.low,
        high=estimate.high,
        n=estimate.n,
        null_mean=estimate.null_mean,
        null_sd=estimate.null_sd,
        p=estimate.p,
        q=estimate.q,
        left_kept=estimate.left_kept,
        right_kept=estimate.right_kept,
        centred=step.centre,
        signature=estimate.signature,
        warnings=tuple(estimate.warnings),
    )


def _order(study: Study, estimates: Sequence[Estimate]) -> Callable[[Row], tuple[int, int, int, int]]:
    """By measure as the server names them, then pair, then layer: the same whatever was finished first."""
    measures = sorted({(each.metric, each.estimator) for each in estimates}, key=lambda each: _rank(study, *each))
    places = {language: at for at, language in enumerate(study.languages)}
    return lambda row: (
        measures.index((row.metric, row.estimator)),
        places[row.source],
        places[row.target],
        row.layer,
    )


def _rank(study: Study, metric: str, estimator: str) -> tuple[int, int, str, str]:
    """Measures as the study lists them, precision by its rank."""
    listed = [(each.name, each.estimator) for each in study.measures]
    for at, (name, variant) in enumerate(listed):
        if metric == name and variant in ("", estimator):
            return (at, 0, metric, estimator)
    rank = int(metric[2:]) if metric.startswith("p@") and metric[2:].isdecimal() else 1000
    return (len(listed), rank, metric, estimator)

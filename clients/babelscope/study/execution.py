"""Running a study: one request after the other, each kept as soon as it is answered."""

import time
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import replace
from pathlib import Path
from typing import Any, Final, Protocol

from babelscope.activations import Progress
from babelscope.comparison import Comparison, Estimate
from babelscope.errors import DeadlineExceeded, NotFound, Refused, Unavailable
from babelscope.models import Model, ModelInfo
from babelscope.study.answers import Answer, Answers
from babelscope.study.design import ModelDesign, Study
from babelscope.study.plan import Step, plan, variants
from babelscope.study.provenance import now, provenance
from babelscope.study.result import LanguageUse, ModelUse, PairUse, Row, StepUse, StudyResult
from babelscope.study.table import write_table
from babelscope.study.texts import StudyTexts, read_texts
from babelscope.views import Measure, View

RESULTS = "results.json"
TABLE = "results.csv"
STEPS = "steps"

# Shorter than the wait that the encoder asks for where the hub cannot be reached.
_FALLBACK_SECONDS: Final = 25.0

ShowProgress = Callable[[Progress], None]


class Services(Protocol):
    """What a study needs of a mesh."""

    @property
    def encoder(self) -> Any:
        """The client of the encoder."""

    @property
    def metrics(self) -> Any:
        """The client of the metrics server."""


class Watcher:
    """Is told how a study goes; does nothing. Derive from it to show something."""

    def note(self, text: str) -> None:
        """Something that the user should know, in one line."""

    def step(self, summary: str) -> AbstractContextManager[ShowProgress | None]:
        """A request begins; its progress goes to what the context manager gives, and it has ended when that closes."""
        del summary
        return nullcontext(None)


def run_study(
    study: Study,
    mesh: Services,
    folder: Path,
    *,
    force: bool = False,
    command: str = "",
    where: str = "local",
    watcher: Watcher | None = None,
) -> StudyResult:
    """Runs a study, or as much of it as its folder does not hold yet, and writes `results.json` and `results.csv`.

    Every finished request is kept under `steps/` at once, under a digest of all that its numbers depend on: a run that
    was killed goes on where it stopped, and a study of which a part has changed computes that part alone.

    Args:
        study: What is asked.
        mesh: Servers that answer.
        folder: Where results go.
        force: Compute everything anew.
        command: How to run it again, for the result.
        where: Where the servers are, for the result.
        watcher: Is told how it goes.

    Raises:
        CorpusError: A file cannot be read.
        StudyError: The study asks for what its corpus or a model does not have.
        RpcError: A server answered with an error, or could not be reached for too long.
    """
    watcher = watcher or Watcher()
    texts = read_texts(study)
    for language in texts.uses:
        if language.missing:
            watcher.note(f"{language.language} lacks {language.missing} of the ids that other languages have")
    uses = tuple(_resolve(mesh, design, watcher) for design in study.models)
    steps = plan(study, uses, texts)
    answers = Answers(folder / STEPS)
    done: list[tuple[Step, Answer, bool]] = []
    for number, step in enumerate(steps, start=1):
        found = None if force else answers.find(step.key)
        summary = f"[{number}/{len(steps)}] {step.summary}"
        if found is None:
            with watcher.step(summary) as show:
                answer = _ask(study, step, mesh, texts, show)
            answers.keep(step.key, answer)
            watcher.note(f"{summary}: {answer.seconds:.0f} s")
            done.append((step, answer, False))
        else:
            watcher.note(f"{summary}: found done")
            done.append((step, found, True))
    result = _result(study, uses, texts, done, provenance(command, where))
    result.write(folder / RESULTS)
    write_table(result, folder / TABLE)
    return result


def _resolve(mesh: Services, design: ModelDesign, watcher: Watcher) -> ModelUse:
    """The model to use: the one asked for, or its fallback where the encoder cannot serve it."""
    reason = ""
    try:
        info = _describe(mesh, design)
    except (NotFound, Refused, Unavailable) as error:
        if not design.fallback:
            raise
        words = " ".join(str(error).split()).rstrip(".")
        reason = f"{words[:1].upper()}{words[1:]}{'' if words.endswith('?') else '.'}"
        info = mesh.encoder.get_model(Model(design.fallback))
    if reason:
        watcher.note(f"Model: {design.fallback} stands in for {design.name}: {reason}")
    else:
        watcher.note(f"Model: {design.name}")
    return ModelUse(
        label=design.label,
        asked=design.name,
        used=design.fallback if reason else design.name,
        reason=reason,
        revision="" if reason else design.revision,
        digest=info.digest,
        family=info.family,
        layers=info.layers,
        hidden_size=info.hidden_size,
        max_tokens=info.max_tokens,
        parameters=info.parameters,
    )


def _describe(mesh: Services, design: ModelDesign) -> ModelInfo:
    """The model asked for. Where it has a fallback, a hub that cannot be reached is not waited for."""
    model = Model(design.name, design.revision)
    if design.fallback:
        try:
            found: ModelInfo = mesh.encoder.get_model(model, timeout=_FALLBACK_SECONDS)
        except DeadlineExceeded as error:
            if isinstance(error.__cause__, Unavailable):
                raise error.__cause__ from None
            # The model is there, and being fetched or loaded: that may take its time.
        else:
            return found
    loaded: ModelInfo = mesh.encoder.get_model(model)
    return loaded


def _ask(study: Study, step: Step, mesh: Services, texts: StudyTexts, show: ShowProgress | None) -> Answer:
    views = {
        language: View(texts=texts.corpus.texts[language], model=step.model, language=language)
        for language in step.languages
    }
    common: dict[str, Any] = {
        "pairs": step.pairs,
        "layers": study.layers,
        "pooling": study.pooling,
        "overflow": study.overflow,
        "alignment": study.alignment,
        "progress": show,
    }
    begun = time.monotonic()
    if step.kind == "similarity":
        found: Comparison = mesh.metrics.compare(
            views,
            [Measure(each.name, each.estimator, each.variance) for each in study.measures],
            standardise=study.standardise,
            drop_top_variance=study.drop_top_variance,
            **common,
        )
    else:
        assert study.retrieval is not None
        found = mesh.metrics.retrieve(views, study.retrieval.similarities, centre=step.centre, **common)
    seconds = time.monotonic() - begun
    rows = sorted((_row(study, step, each) for each in found.estimates), key=_order(study, found.estimates))
    return Answer(
        rows=tuple(rows),
        pairs=tuple(PairUse(each.left, each.right, each.n, each.left_only, each.right_only) for each in found.pairs),
        truncated={each.name: each.truncated for each in found.views},
        tokens={each.name: each.tokens for each in found.views},
        seconds=round(seconds, 3),
        computed=now(),
    )


def _row(study: Study, step: Step, estimate: Estimate) -> Row:
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


def _result(
    study: Study,
    uses: Sequence[ModelUse],
    texts: StudyTexts,
    done: Sequence[tuple[Step, Answer, bool]],
    made: dict[str, Any],
) -> StudyResult:
    languages = {each.language: each for each in texts.uses}
    for step, answer, _ in done:
        for language, count in answer.truncated.items():
            languages[language] = _with_counts(languages[language], step, count, answer.tokens[language])
    models = {use.used: use for use in uses}.values()
    return StudyResult(
        study=study.to_json(),
        models=tuple(uses),
        variants=tuple(variant for use in models for variant, _ in variants(study, use)),
        languages=tuple(languages.values()),
        pairs=next((answer.pairs for _, answer, _ in done), ()),
        rows=tuple(row for _, answer, _ in done for row in answer.rows),
        steps=tuple(
            StepUse(step.key, step.summary, answer.seconds, answer.computed, reused) for step, answer, reused in done
        ),
        provenance=made,
    )


def _with_counts(use: LanguageUse, step: Step, truncated: int, tokens: int) -> LanguageUse:
    name = step.use.used
    return replace(use, truncated={**use.truncated, name: truncated}, tokens={**use.tokens, name: tokens})

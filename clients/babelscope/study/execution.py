"""Running a study: one request after the other, each kept as soon as it is answered."""

import json
import time
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import asdict, replace
from functools import partial
from pathlib import Path
from typing import Any, Final

from babelscope.data.models import Model, ModelInfo
from babelscope.errors import DeadlineExceeded, NotFound, Refused, Unavailable
from babelscope.study.answers import KeptAnswer, KeptAnswers
from babelscope.study.asking import ask_step
from babelscope.study.design import ModelDesign, Study
from babelscope.study.offers import Wanted, check_offers
from babelscope.study.plan import StudyStep, plan, step_key, variants
from babelscope.study.provenance import now, provenance
from babelscope.study.result import LanguageUse, ModelUse, StepUse, StudyResult, read_record
from babelscope.study.sections import SECTIONS, Asked, Found, Section, Services, ShowProgress, Task
from babelscope.study.table import write_table
from babelscope.study.texts import StudyTexts, read_texts

RESULTS = "results.json"
TABLE = "results.csv"
STEPS = "steps"

# Shorter than the wait that the encoder asks for where the hub cannot be reached.
_FALLBACK_SECONDS: Final = 25.0


class Watcher:
    """Is told how a study goes; does nothing. Derive from it to show something."""

    def note(self, text: str) -> None:
        """Something that the user should know, in one line."""

    def done(self, steps: int, total: int) -> None:
        """So many of all requests are answered."""

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
        study: The study to run.
        mesh: Servers that answer.
        folder: Folder that receives the results.
        force: Compute everything anew.
        command: Command that runs it again, for the result.
        where: Address of the servers, to be named in the result.
        watcher: Is told how it goes.

    Raises:
        CorpusError: A file cannot be read.
        StudyError: The study asks for what its corpus or a model does not have, or for a measure, map method or score
            that the metrics server does not offer.
        RpcError: A server answered with an error, or could not be reached for too long.
    """
    watcher = watcher or Watcher()
    check_offers(_wanted(study), mesh.metrics)
    texts = read_texts(study, lambda: mesh.datagen)
    for language in texts.uses:
        if language.missing:
            watcher.note(f"{language.language} lacks {language.missing} of the ids that other languages have")
    uses = tuple(_resolve(mesh, design, watcher) for design in study.models)
    steps = plan(study, uses, texts)
    tasks = _tasks(study, Asked(study, uses, texts))
    run = _Run(KeptAnswers(folder / STEPS), watcher, len(steps) + len(tasks), force=force)
    done: list[tuple[StudyStep, KeptAnswer]] = []
    for step in steps:
        asked = partial(ask_step, study, step, mesh, texts)
        done.append((step, run.answer(step.key, step.summary, asked)))
    found = Found(tuple(row for _, answer in done for row in answer.rows), {key: [] for key in study.sections})
    for section, task in tasks:
        key = step_key(section.key, task.depends(found))
        answer = run.answer(key, task.summary, partial(_records, task, mesh, found))
        found.records[section.key] += [read_record(section.record, each, task.summary) for each in answer.records]
    result = _result(study, uses, texts, done, found=found, steps=run.uses, made=provenance(command, where))
    result.write(folder / RESULTS)
    write_table(result, folder / TABLE)
    return result


class _Run:
    """Finds the answers of a run, or asks for them and keeps them.

    Args:
        answers: Answers of the requests that are done.
        watcher: Is told.
        total: How many there will be.
        force: Ask for everything anew.
    """

    def __init__(self, answers: KeptAnswers, watcher: Watcher, total: int, *, force: bool) -> None:
        self._answers, self._watcher, self._total, self._force = answers, watcher, total, force
        self.uses: list[StepUse] = []

    def answer(self, key: str, summary: str, ask: Callable[[ShowProgress | None], KeptAnswer]) -> KeptAnswer:
        """The answer under a key, found done or asked for now."""
        told = f"[{len(self.uses) + 1}/{self._total}] {summary}"
        answer = None if self._force else self._answers.find(key)
        reused = answer is not None
        if answer is None:
            with self._watcher.step(told) as show:
                answer = ask(show)
            self._answers.keep(key, answer)
        self._watcher.note(f"{told}: found done" if reused else f"{told}: {answer.seconds:.0f} s")
        self.uses.append(StepUse(key, summary, answer.seconds, answer.computed, reused))
        self._watcher.done(len(self.uses), self._total)
        return answer


def _tasks(study: Study, asked: Asked) -> list[tuple[Section, Task]]:
    """The tasks of all sections, in the registry's order."""
    wanted = [section for section in SECTIONS if section.key in study.sections]
    return [(section, task) for section in wanted for task in section.plan(study.sections[section.key], asked)]


def _wanted(study: Study) -> list[Wanted]:
    """The names that a study asks of the metrics server."""
    sections = [section for section in SECTIONS if section.key in study.sections]
    return [
        *(each.wanted for each in study.measures),
        *(each for section in sections for each in section.wanted(study.sections[section.key])),
    ]


def _records(task: Task, mesh: Services, found: Found, show: ShowProgress | None) -> KeptAnswer:
    begun = time.monotonic()
    records = task.ask(mesh, found, show)
    seconds = round(time.monotonic() - begun, 3)
    # As JSON has them, so that an answer found done and one asked for now are read in the same way.
    values = json.loads(json.dumps([asdict(each) for each in records], ensure_ascii=False, allow_nan=False))
    return KeptAnswer((), (), {}, {}, seconds, now(), tuple(values))


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


def _result(
    study: Study,
    uses: Sequence[ModelUse],
    texts: StudyTexts,
    done: Sequence[tuple[StudyStep, KeptAnswer]],
    *,
    found: Found,
    steps: Sequence[StepUse],
    made: dict[str, Any],
) -> StudyResult:
    languages = {each.language: each for each in texts.uses}
    for step, answer in done:
        for language, count in answer.truncated.items():
            languages[language] = _with_counts(languages[language], step, count, answer.tokens[language])
    models = {use.used: use for use in uses}.values()
    return StudyResult(
        study=study.to_json(),
        models=tuple(uses),
        variants=tuple(variant for use in models for variant, _ in variants(study, use)),
        languages=tuple(languages.values()),
        pairs=next((answer.pairs for _, answer in done), ()),
        rows=tuple(found.rows),
        steps=tuple(steps),
        provenance=made,
        sections={key: tuple(asdict(each) for each in records) for key, records in found.records.items()},
    )


def _with_counts(use: LanguageUse, step: StudyStep, truncated: int, tokens: int) -> LanguageUse:
    name = step.use.used
    return replace(use, truncated={**use.truncated, name: truncated}, tokens={**use.tokens, name: tokens})

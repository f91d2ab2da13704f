"""Refuses jobs that cannot succeed before they are queued, by what is known without reading data or weights."""

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from babelscope.data.languages import read_tag
from babelscope.errors import StudyError
from babelscope.study.nodes import StudyFiles
from babelscope.study.schema import load_study

from services.models import reinit
from services.models.catalogue import ModelFiles, configuration
from services.models.families import FAMILIES
from services.models.general.languages import Languages, separate_languages
from services.models.layers import interventions
from services.models.spec import ModelSpec
from services.models.tokens.tokenization import Tokenizer
from services.runtime.errors import FailedPrecondition, InvalidArgument, NotFound
from services.trainer import specs
from services.trainer.alignment.adversary import check_layer as check_aligned
from services.trainer.alignment.stored import StoredEdit
from services.trainer.data.limits import check_max_tokens
from services.trainer.extension.plan import ExtendPlan
from services.trainer.extension.plan import check as check_extension
from services.trainer.extension.plan import check_model as check_extended
from services.trainer.jobs.checkpoints import Checkpoints
from services.trainer.known import KnownModel, known_model
from services.trainer.pretraining.checks import check as check_pretraining
from services.trainer.pretraining.plan import STORED, PretrainPlan
from services.trainer.static.plan import StaticPlan
from services.trainer.static.plan import check as check_static
from services.trainer.sweeps.grid import cells
from services.trainer.tasks import make_task
from services.trainer.training.checks import check, check_frozen_layers, check_optimisation
from services.trainer.training.plan import FineTunePlan, LanguageSet


class Checker:
    """Checks specifications of jobs.

    Args:
        files: Models that jobs may start from.
        checkpoints: Checkpoints that jobs may score.
        max_workers: Most workers of a job.
    """

    def __init__(self, files: ModelFiles, checkpoints: Checkpoints, max_workers: int = 1) -> None:
        self._files, self._checkpoints, self._max_workers = files, checkpoints, max_workers

    def _check_workers(self, workers: int, field: str) -> None:
        """Refuses more workers than a job may have.

        Raises:
            InvalidArgument: There are more.
        """
        if workers > self._max_workers:
            raise InvalidArgument(field, f"Expected a number within 1..{self._max_workers}, but got {workers}")

    def __call__(self, kind: str, spec: Any) -> None:
        """Checks a specification; blocks.

        Raises:
            ServiceError: What is wrong with it; fields are those of the request.
        """
        match kind:
            case "fine_tune":
                self._fine_tune(spec, "job.fine_tune")
            case "evaluate":
                self._evaluate(spec)
            case "sweep":
                self._sweep(spec)
            case "study":
                self._study(spec)
            case "pretrain_mlm":
                self._pretrain_mlm(spec)
            case "extend_model":
                self._extend_model(spec)
            case "pretrain_static":
                self._pretrain_static(spec)
            case _:
                # Such a job would stay in the queue for ever: no trainer does it.
                raise FailedPrecondition(f"job.{kind}", f"no trainer does jobs of the kind {kind}")

    def asks_the_hub(self, kind: str, spec: Any) -> bool:
        """Whether a check of a specification would ask the hub; blocks.

        Raises:
            InvalidArgument: A model's name is none.
        """
        return any(not self._files.is_local(name) for name in _names_of(kind, spec))

    def _known(self, model: ModelSpec) -> KnownModel:
        """What is known of a model."""
        return known_model(self._files.find(model.name, model.revision), f"model {model.name}")

    def _fine_tune(self, job: specs.FineTuneJob, field: str, known: KnownModel | None = None) -> None:
        """Checks a job; `known` is its model, where several jobs share it."""
        try:
            make_task(job.task, job.options)
            plan = FineTunePlan(job.model, job.task, job.train, job.dev, job.options, job.frozen, job.optimisation)
            check(replace(plan, adversary=job.adversary, unlabelled=job.unlabelled))
        except InvalidArgument as error:
            raise InvalidArgument(_of_request(field, error), error.problem) from error
        self._check_workers(job.optimisation.workers, f"{field}.optimisation.workers")
        known, name = known or self._known(job.model), job.model.name
        try:
            _check_layers(job, known)
            unlabelled = ("adversary.unlabelled", job.unlabelled)
            for part, sets in (("train", job.train), ("dev", job.dev), ("eval", job.eval), unlabelled):
                _check_languages(known.languages, sets, part, name)
            if job.max_tokens:
                check_max_tokens(job.max_tokens, known.tokenizer, known.max_tokens, known.subject)
        except InvalidArgument as error:
            raise InvalidArgument(_of_request(field, error), error.problem) from error

    def _pretrain_mlm(self, plan: PretrainPlan) -> None:
        try:
            check_pretraining(plan)
        except InvalidArgument as error:
            raise InvalidArgument(f"job.pretrain_mlm.{error.field}", error.problem) from error
        self._check_workers(plan.optimisation.workers, "job.pretrain_mlm.optimisation.workers")
        if plan.model is not None:
            folder, subject = self._files.find(plan.model.name, plan.model.revision), f"model {plan.model.name}"
            if folder.family in FAMILIES:  # of others its job says that they cannot be trained
                told = separate_languages(FAMILIES[folder.family].languages(configuration(folder, subject)))
                for part, sets in (("train", plan.train), ("dev", plan.dev)):
                    _check_languages(told, sets, f"job.pretrain_mlm.{part}", plan.model.name)
        elif not plan.vocabulary.startswith(STORED):
            self._files.find(plan.vocabulary)

    def _extend_model(self, plan: ExtendPlan) -> None:
        try:
            check_extension(plan)
            folder, subject = self._files.find(plan.model.name, plan.model.revision), f"model {plan.model.name}"
            if folder.family in FAMILIES:  # of others its job says that they cannot be extended
                languages = FAMILIES[folder.family].languages(configuration(folder, subject))
                check_extended(languages, plan.model.name)
        except InvalidArgument as error:
            raise InvalidArgument(f"job.extend_model.{error.field}", error.problem) from error

    def _pretrain_static(self, plan: StaticPlan) -> None:
        try:
            check_static(plan)
        except InvalidArgument as error:
            raise InvalidArgument(f"job.pretrain_static.{error.field}", error.problem) from error
        if not plan.vocabulary.startswith(STORED):
            self._files.find(plan.vocabulary)

    def _sweep(self, sweep: specs.SweepJob) -> None:
        # What the rest of the grid differs in is checked where the message is read.
        try:
            check_optimisation(sweep.base.optimisation)
        except InvalidArgument as error:
            raise InvalidArgument(_of_request("job.sweep.base", error), error.problem) from error
        known = self._known(sweep.base.model)
        for job in {(each.task, each.label, each.train): each for each in cells(sweep)}.values():
            self._fine_tune(job, "job.sweep.base", known)

    def _longest(self, job: specs.EvaluateJob) -> None:
        """Checks the longest input of an evaluation."""
        folder, subject = self._files.find(job.checkpoint), job.checkpoint
        longest = self._files.longest_input(job.checkpoint)
        try:
            check_max_tokens(job.max_tokens, Tokenizer.load(folder.path, subject), longest, subject)
        except InvalidArgument as error:
            raise InvalidArgument(f"job.evaluate.{error.field}", error.problem) from error

    def _evaluated_layers(self, job: specs.EvaluateJob, lower: KnownModel | None) -> None:
        """Refuses layers that a checkpoint, or the model of its lower part, does not have."""
        known = self._known(ModelSpec(job.checkpoint))
        layers = [each.layers for each in (known, lower) if each is not None and each.layers is not None]
        try:
            if lower is not None and layers and job.lower_layer > min(layers):
                raise InvalidArgument(
                    "lower_part.layer",
                    f"Expected a layer within 0..{min(layers)} of both models, but got {job.lower_layer}",
                )
            if known.layers is not None:
                _check_edits(job.edits, known.layers, job.checkpoint)
        except InvalidArgument as error:
            raise InvalidArgument(f"job.evaluate.{error.field}", error.problem) from error

    def _study(self, study: specs.StudyJob) -> None:
        """Reads the study as its job will, whose files need not be there for that."""
        try:
            load_study("study.yaml", files=StudyFiles({name: Path(name) for name in study.files}), text=study.yaml)
        except StudyError as error:
            raise InvalidArgument("job.study.yaml", str(error)) from error

    def _evaluate(self, job: specs.EvaluateJob) -> None:
        kind, _, name = job.checkpoint.partition("/")
        if kind != "checkpoints" or not name:
            raise InvalidArgument("job.evaluate.checkpoint", f"Expected checkpoints/ID, but got {job.checkpoint!r}")
        if not self._checkpoints.exists(name):
            raise NotFound("checkpoint", job.checkpoint)
        if job.max_tokens:
            self._longest(job)
        lower = None if job.lower is None else self._known(job.lower)
        if job.edits or lower is not None:
            self._evaluated_layers(job, lower)
        if not job.alphas:
            return
        if not any(edit.vector for edit in job.edits):
            raise InvalidArgument(
                "job.evaluate.interventions", "Expected a shift whose factor is one of `alphas`, but got none"
            )
        seen: set[float] = set()
        for number, alpha in enumerate(job.alphas):
            if not math.isfinite(alpha) or alpha in seen:
                raise InvalidArgument(
                    f"job.evaluate.alphas[{number}]", f"Expected finite factors, each once, but got {alpha}"
                )
            seen.add(alpha)
        counted = Counter(read_tag(dev.language).canonical for dev in job.dev)
        for each in job.eval:
            found = counted[read_tag(each.language).canonical]
            if found != 1:
                raise InvalidArgument(
                    "job.evaluate.dev",
                    f"Expected one development set of {each.language or 'no language'}, on which its factor is chosen, "
                    f"but got {found}",
                )


def _names_of(kind: str, spec: Any) -> list[str]:
    """The models that the check of a specification looks for."""
    match kind:
        case "fine_tune" | "extend_model":
            return [spec.model.name]
        case "sweep":
            return [spec.base.model.name]
        case "evaluate":
            return [spec.lower.name] if spec.lower is not None else []
        case "pretrain_mlm" if spec.model is not None:
            return [spec.model.name]
        case "pretrain_mlm" | "pretrain_static":
            return [spec.vocabulary] if spec.vocabulary and not spec.vocabulary.startswith(STORED) else []
        case _:
            return []


def _check_layers(job: specs.FineTuneJob, known: KnownModel) -> None:
    """Refuses layers that a model does not have, or that share a block with others.

    Raises:
        InvalidArgument: Names the field.
    """
    name = job.model.name
    chosen = job.model.reinit or job.frozen.layers or job.edits or job.adversary is not None
    if not chosen or known.layers is None:
        return
    reinit.check(job.model.reinit, known.layers, name)
    check_frozen_layers(job.frozen, known.lowest or range(1, known.layers + 1))
    if known.lowest is not None:
        reinit.check_shared(job.model.reinit, known.lowest, name)
    _check_edits(job.edits, known.layers, name)
    if job.adversary is not None:
        check_aligned(job.adversary, known.layers, name)


def _check_edits(edits: Sequence[StoredEdit], layers: int, model: str) -> None:
    """Refuses interventions at layers that a model does not have.

    Raises:
        InvalidArgument: Names the intervention.
    """
    seen: dict[str, int] = {}
    for edit in edits:
        place = seen[edit.language] = seen.get(edit.language, -1) + 1
        field = f"interventions[{place}]"
        if edit.language:
            told = [language for language in seen if language]
            field = f"language_interventions[{told.index(edit.language)}].{field}"
        interventions.check_layer(edit.layer, field, layers, model)


def _check_languages(told: Languages | None, sets: Sequence[LanguageSet], field: str, model: str) -> None:
    """Refuses a set of a language that a model must be told and does not have, which its job would find out late.

    Raises:
        InvalidArgument: Names the set.
    """
    for place, each in enumerate(sets):
        # Where a set has no tag, each of its examples has one.
        if told is not None and each.language:
            told.code(each.language, f"{field}[{place}].language", model)


def _of_request(job: str, error: InvalidArgument) -> str:
    """Path in the request of a field that a plan has."""
    part, dot, rest = error.field.removeprefix("spec.").partition(".")
    return f"{job}.{'adversarial_alignment' if part == 'adversary' else part}{dot}{rest}"

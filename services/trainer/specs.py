"""What jobs are to do and what came of them, as plain data with one JSON form: equal values have equal bytes.

The job table keeps the bytes; the door turns messages into these values, and the processes of jobs read them.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, TypeVar

from pydantic import TypeAdapter, ValidationError

from services.models.spec import ModelSpec, Reinit
from services.runtime.errors import DataLoss
from services.trainer.alignment.adversary import Adversary
from services.trainer.alignment.stored import StoredEdit
from services.trainer.extension.plan import ExtendPlan
from services.trainer.pretraining.plan import PretrainPlan
from services.trainer.static.plan import StaticPlan
from services.trainer.training.plan import Frozen, LanguageSet, Optimisation


@dataclass(frozen=True)
class FineTuneJob:
    """Fine-tunes an encoder on a task and scores the best checkpoint.

    Attributes:
        model: Model to start from.
        task: Name of the task.
        train: Training sets.
        dev: Development sets.
        eval: Test sets.
        options: Options of the task by name.
        frozen: What is not trained.
        optimisation: How the model is optimised.
        max_tokens: Longest input in tokens; the model's longest where 0.
        edits: Interventions while training and scoring.
        label: Label of the layers drawn anew, in tables; empty where none are.
        adversary: How a layer is aligned by a discriminator; None for no such alignment.
        unlabelled: Texts of the target languages for it.
    """

    model: ModelSpec
    task: str
    train: tuple[LanguageSet, ...]
    dev: tuple[LanguageSet, ...] = ()
    eval: tuple[LanguageSet, ...] = ()
    options: Mapping[str, str] = field(default_factory=dict)
    frozen: Frozen = field(default_factory=Frozen)
    optimisation: Optimisation = field(default_factory=Optimisation)
    max_tokens: int = 0
    edits: tuple[StoredEdit, ...] = ()
    label: str = ""
    adversary: Adversary | None = None
    unlabelled: tuple[LanguageSet, ...] = ()


@dataclass(frozen=True)
class EvaluateJob:
    """Scores a checkpoint.

    Attributes:
        checkpoint: `checkpoints/ID`.
        eval: Test sets.
        edits: Interventions while scoring.
        max_tokens: Longest input in tokens; that of training where 0.
        dev: Development sets on which a factor of the shifts is chosen, one for each language of the test sets.
        alphas: Factors of the shifts to choose from; the interventions' own where empty.
        lower: Model whose embeddings and lower layers take the place of the checkpoint's; None for none.
        lower_layer: Last layer that is of that model.
    """

    checkpoint: str
    eval: tuple[LanguageSet, ...]
    edits: tuple[StoredEdit, ...] = ()
    max_tokens: int = 0
    dev: tuple[LanguageSet, ...] = ()
    alphas: tuple[float, ...] = ()
    lower: ModelSpec | None = None
    lower_layer: int = 0


@dataclass(frozen=True)
class ReinitChoice:
    """Layers that a sweep draws anew.

    Attributes:
        label: Label in tables.
        reinit: What is drawn, in order, from the seed of each draw and that of the job added up; nothing for the model
            as it is.
    """

    label: str
    reinit: tuple[Reinit, ...] = ()


@dataclass(frozen=True)
class SweepSource:
    """One source of a sweep.

    Attributes:
        train: Training set.
        dev: Development set; None where there is none.
    """

    train: LanguageSet
    dev: LanguageSet | None = None


@dataclass(frozen=True)
class SweepTask:
    """One task of a sweep.

    Attributes:
        task: Name of the task.
        sources: Sources.
        eval: Test sets.
        options: Options of the task by name.
        epochs: Passes over the training examples.
    """

    task: str
    sources: tuple[SweepSource, ...]
    eval: tuple[LanguageSet, ...]
    options: Mapping[str, str]
    epochs: float


@dataclass(frozen=True)
class SweepJob:
    """A grid of fine-tuning jobs.

    Attributes:
        base: Settings that all jobs share.
        tasks: Tasks with their sets.
        choices: Layers drawn anew.
        seeds: Seeds.
        learning_rates: Learning rates of the encoder.
        step_tokens: Tokens of an optimiser step.
    """

    base: FineTuneJob
    tasks: tuple[SweepTask, ...]
    choices: tuple[ReinitChoice, ...]
    seeds: tuple[int, ...]
    learning_rates: tuple[float, ...]
    step_tokens: tuple[int, ...]

    @property
    def jobs(self) -> int:
        """Number of its jobs."""
        settings = len(self.learning_rates) * len(self.step_tokens)
        return settings * len(self.choices) * len(self.seeds) * sum(len(task.sources) for task in self.tasks)


@dataclass(frozen=True)
class StudyJob:
    """Runs a study on the mesh.

    Attributes:
        yaml: Contents of the study file.
        files: Objects of the store with the files that it names, by their paths in it.
        deadline_seconds: Seconds from its entry after which the job fails; no bound where 0.
    """

    yaml: str
    files: Mapping[str, str] = field(default_factory=dict)
    deadline_seconds: float = 0.0


@dataclass(frozen=True)
class JobFigure:
    """A figure of an evaluation.

    Attributes:
        part: `dev` or `eval`.
        source: Languages of the training sets, joined by `+`.
        target: Language of the set that was scored.
        metric: Name of the figure.
        estimator: Variant of the figure.
        value: Value.
        low: Lower end of the 95 % interval.
        high: Upper end of the 95 % interval.
        n: Number of items.
        signature: All settings behind the number, in one line.
        reinit: Label of the layers drawn anew.
        seed: Seed of the training.
        task: Name of the task.
        domain: Domain of the set that was scored; empty for that of the training sets.
        gap: Value on the set of the source language less this one; None for the source itself, or without one.
        alpha: Factor of the shifts that was chosen; None where none was to be chosen.
        left: Gold label, for a cell of a confusion matrix or the scores of a label.
        right: Predicted label, for a cell of a confusion matrix.
    """

    part: str
    source: str
    target: str
    metric: str
    estimator: str
    value: float
    low: float
    high: float
    n: int
    signature: str
    reinit: str = ""
    seed: int = 0
    task: str = ""
    domain: str = ""
    gap: float | None = None
    alpha: float | None = None
    left: str = ""
    right: str = ""


@dataclass(frozen=True)
class SweepFigure:
    """A figure of a sweep: mean over its seeds.

    Attributes:
        task: Name of the task.
        source: Language of the training set.
        target: Language of the set that was scored; `X` for the mean over all languages but the source.
        domain: Domain of the set that was scored.
        part: `dev` or `eval`.
        metric: Name of the figure.
        estimator: Variant of the figure.
        reinit: Label of the layers drawn anew; empty for the model as it is.
        selection: How the setting of the hyper-parameters was chosen: `best` or `best two`.
        setting: The setting, in words.
        mean: Mean over the seeds.
        deviation: Standard deviation over the seeds; None for one seed.
        low: Lower end of the 95 % interval.
        high: Upper end of the 95 % interval.
        seeds: Number of seeds.
        delta: Mean less that of the model as it is; None where there is no such job.
        gap: Mean cross-lingual gap; None for the source itself, or where it was not scored.
        checkpoint: `checkpoints/ID` of the first seed at the best setting.
        main: Whether it is the task's main figure.
    """

    task: str
    source: str
    target: str
    domain: str
    part: str
    metric: str
    estimator: str
    reinit: str
    selection: str
    setting: str
    mean: float
    deviation: float | None
    low: float
    high: float
    seeds: int
    delta: float | None
    gap: float | None
    checkpoint: str
    main: bool


@dataclass(frozen=True)
class JobStep:
    """How far a job is.

    Attributes:
        stage: `prepare`, `train`, `evaluate` or `save`; `sweep` or `study` for the parts of one.
        done: Steps done in all.
        total: Steps in all; 0 where unknown.
        figures: Figures by name: loss, learning_rate, tokens_per_second, seconds_left.
    """

    stage: str
    done: int
    total: int
    figures: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class Outcome:
    """What came of a job.

    Attributes:
        checkpoint: `checkpoints/ID` of the best model; empty where the job makes none.
        figures: Figures of all evaluations.
        warnings: Warnings, in sentences.
        provenance: Digests, versions, device, seeds by name.
        children: Ids of the jobs of a sweep.
        sweep: Figures of a sweep.
        files: Objects of the store with the files that a study has written, by their paths.
    """

    checkpoint: str = ""
    figures: tuple[JobFigure, ...] = ()
    warnings: tuple[str, ...] = ()
    provenance: Mapping[str, str] = field(default_factory=dict)
    children: tuple[str, ...] = ()
    sweep: tuple[SweepFigure, ...] = ()
    files: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class CheckpointNote:
    """What the table says of a checkpoint.

    Attributes:
        task: Task of its head.
        options: Options of the task.
        labels: Labels of its head, in order.
        model: Name of the model that it started from.
        family: Hugging Face model type.
        layers: Number of blocks.
        hidden_size: Width of the hidden states.
        max_tokens: Longest input in training.
        figures: Figures on the development sets.
        provenance: How it was trained, by name.
    """

    task: str
    options: Mapping[str, str]
    labels: tuple[str, ...]
    model: str
    family: str
    layers: int
    hidden_size: int
    max_tokens: int
    figures: tuple[JobFigure, ...] = ()
    provenance: Mapping[str, str] = field(default_factory=dict)


KINDS: dict[str, type[Any]] = {
    "fine_tune": FineTuneJob,
    "evaluate": EvaluateJob,
    "sweep": SweepJob,
    "study": StudyJob,
    "pretrain_mlm": PretrainPlan,
    "extend_model": ExtendPlan,
    "pretrain_static": StaticPlan,
}
"""Kinds of jobs, by the name under which the table keeps them."""

T = TypeVar("T")


def write(value: Any) -> bytes:
    """The JSON form of a value of this module."""
    plain = _adapter(type(value)).dump_python(value, mode="json")
    return json.dumps(plain, sort_keys=True, ensure_ascii=False, allow_nan=False).encode()


def read(kind: type[T], data: bytes) -> T:
    """A value from its JSON form.

    Raises:
        DataLoss: The bytes are not that form: the table was changed by hand, or by a later version.
    """
    try:
        value: T = _adapter(kind).validate_json(data, strict=False)
    except ValidationError as error:
        raise DataLoss(f"Expected {kind.__name__} in the job table, but got something else: {error}") from error
    return value


_ADAPTERS: dict[type[Any], TypeAdapter[Any]] = {}


def _adapter(kind: type[Any]) -> TypeAdapter[Any]:
    """What reads and writes a kind; made once, since that takes milliseconds."""
    if kind not in _ADAPTERS:
        _ADAPTERS[kind] = TypeAdapter(kind)
    return _ADAPTERS[kind]

"""Messages of specifications to plain data, checked field by field, and back."""

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final, Literal

from babelscope.data.languages import read_tag
from babelscope.v1 import model_pb2, trainer_pb2

from services.models.api.messages import one_of, read_model
from services.models.spec import ComputeType, ModelSpec, Scheme
from services.runtime.errors import InvalidArgument, LimitExceeded
from services.runtime.files.store import Store
from services.runtime.options import given
from services.trainer import specs
from services.trainer.api.alignment import (
    read_adversary,
    read_stored_edits,
    write_adversary,
    write_edits,
    write_language_edits,
)
from services.trainer.api.names import read_checkpoint_name, read_short
from services.trainer.training.plan import Course, Frozen, LanguageSet, Optimisation
from services.trainer.training.provenance import reinit_label

MOST_SETS: Final = 1000
MOST_PATTERNS: Final = 1000
"""Patterns of frozen tensors."""
MOST_ALPHAS: Final = 1000
"""Factors of which one is chosen."""

_SHARES: Final[dict[Literal["warmup", "weight_decay", "clip", "dropout"], float]] = {
    "warmup": 1.0,
    "weight_decay": math.inf,
    "clip": math.inf,
    "dropout": math.nextafter(1.0, 0.0),
}
"""Settings of an optimisation that may be left out, with the largest value of each."""
_DTYPES: Final[dict[int, ComputeType]] = {
    trainer_pb2.TRAINING_DTYPE_UNSPECIFIED: "float32",
    trainer_pb2.TRAINING_DTYPE_F32: "float32",
    trainer_pb2.TRAINING_DTYPE_BF16: "bfloat16",
}
_COURSES: Final[dict[int, Course]] = {
    trainer_pb2.SCHEDULE_UNSPECIFIED: "linear",
    trainer_pb2.SCHEDULE_LINEAR: "linear",
    trainer_pb2.SCHEDULE_INVERSE_SQRT: "inverse_sqrt",
    trainer_pb2.SCHEDULE_CONSTANT: "constant",
}
_SCHEMES: Final[dict[Scheme, model_pb2.ReinitScheme.ValueType]] = {
    "model": model_pb2.REINIT_SCHEME_MODEL,
    "torch_default": model_pb2.REINIT_SCHEME_TORCH_DEFAULT,
}


def read_fine_tune(spec: trainer_pb2.FineTuneSpec, field: str, store: Store) -> specs.FineTuneJob:
    """Reads a FineTuneSpec.

    Raises:
        InvalidArgument: A field is wrong.
    """
    if not spec.task:
        raise InvalidArgument(f"{field}.task", "Expected the name of a task, but got none")
    at_least(spec.max_tokens, 0, f"{field}.max_tokens")
    model = read_model(spec.model, f"{field}.model")
    where = f"{field}.adversarial_alignment"
    aligned = spec.adversarial_alignment if spec.HasField("adversarial_alignment") else None
    return specs.FineTuneJob(
        model=model,
        task=spec.task,
        train=read_sets(spec.train, f"{field}.train", least=1),
        dev=read_sets(spec.dev, f"{field}.dev", scored=True),
        eval=read_sets(spec.eval, f"{field}.eval", scored=True),
        options=given(spec.options, f"{field}.options"),
        frozen=_frozen(spec.frozen, f"{field}.frozen"),
        optimisation=read_optimisation(spec.optimisation, f"{field}.optimisation", Optimisation()),
        max_tokens=spec.max_tokens,
        edits=read_stored_edits(spec, field, store),
        label=reinit_label(model),
        adversary=read_adversary(aligned, where) if aligned else None,
        unlabelled=read_sets(aligned.unlabelled, f"{where}.unlabelled", least=1) if aligned else (),
    )


def read_evaluate(spec: trainer_pb2.EvaluateSpec, field: str, store: Store) -> specs.EvaluateJob:
    """Reads an EvaluateSpec.

    Raises:
        InvalidArgument: A field is wrong.
    """
    read_checkpoint_name(spec.checkpoint, f"{field}.checkpoint")
    if len(spec.alphas) > MOST_ALPHAS:
        raise LimitExceeded("max_alphas", f"Expected at most {MOST_ALPHAS} factors, but got {len(spec.alphas)}")
    at_least(spec.max_tokens, 0, f"{field}.max_tokens")
    at_least(spec.lower_part.layer, 0, f"{field}.lower_part.layer")
    return specs.EvaluateJob(
        checkpoint=spec.checkpoint,
        eval=read_sets(spec.eval, f"{field}.eval", least=1, scored=True),
        edits=read_stored_edits(spec, field, store),
        max_tokens=spec.max_tokens,
        dev=read_sets(spec.dev, f"{field}.dev", scored=True),
        alphas=tuple(spec.alphas),
        lower=read_model(spec.lower_part.model, f"{field}.lower_part.model") if spec.HasField("lower_part") else None,
        lower_layer=spec.lower_part.layer,
    )


def read_sets(
    sets: Sequence[trainer_pb2.LanguageDataset], field: str, *, least: int = 0, scored: bool = False
) -> tuple[LanguageSet, ...]:
    """Reads sets.

    Args:
        sets: The sets.
        field: Field of the request.
        least: Fewest sets.
        scored: Whether each set has figures of its own, which its language and its domain alone tell apart.

    Raises:
        InvalidArgument: One lacks its dataset, there are too few, or two that are scored have one language and domain.
        LimitExceeded: There are too many.
    """
    if len(sets) < least:
        raise InvalidArgument(field, f"Expected at least {least} dataset, but got none")
    if len(sets) > MOST_SETS:
        raise LimitExceeded("max_sets", f"Expected at most {MOST_SETS} datasets, but got {len(sets)}")
    for number, each in enumerate(sets):
        if not each.dataset:
            raise InvalidArgument(f"{field}[{number}].dataset", "Expected `datasets/DIGEST`, but got none")
        for name in ("language", "dataset", "domain"):
            read_short(getattr(each, name), f"{field}[{number}].{name}")
    found = tuple(LanguageSet(each.language, each.dataset, each.domain) for each in sets)
    if scored:
        _check_apart(found, field)
    return found


def _check_apart(sets: Sequence[LanguageSet], field: str) -> None:
    seen = set[tuple[str, str]]()
    for number, each in enumerate(sets):
        place = (read_tag(each.language).canonical, each.domain)
        if each.language and place in seen:
            raise InvalidArgument(
                f"{field}[{number}]",
                f"Expected each language, or each domain of a language, once, but got {each.place!r} twice; a domain "
                f"tells two sets apart, as in {each.language}/news",
            )
        seen.add(place)


def _frozen(frozen: trainer_pb2.Frozen, field: str) -> Frozen:
    at_least(frozen.layers, 0, f"{field}.layers")
    if len(frozen.patterns) > MOST_PATTERNS:
        raise LimitExceeded(
            "max_patterns", f"Expected at most {MOST_PATTERNS} patterns, but got {len(frozen.patterns)}"
        )
    return Frozen(frozen.embeddings, frozen.layers, tuple(frozen.patterns))


def read_optimisation(given: trainer_pb2.Optimisation, field: str, defaults: Optimisation) -> Optimisation:
    """Reads an Optimisation; what it leaves out is as in the defaults.

    Raises:
        InvalidArgument: A field is wrong.
    """
    for name in ("learning_rate", "head_learning_rate", "epochs"):
        value = getattr(given, name)
        if not (value >= 0 and math.isfinite(value)):
            raise InvalidArgument(f"{field}.{name}", f"Expected a finite number of 0 or more, but got {value}")
    for name in ("max_steps", "step_tokens", "accumulation", "evaluations", "patience", "workers"):
        at_least(getattr(given, name), 0, f"{field}.{name}")
    for name, most in _SHARES.items():
        if given.HasField(name) and not 0 <= getattr(given, name) <= most:
            bound = "0..1" if most < math.inf else "0 or more"
            raise InvalidArgument(f"{field}.{name}", f"Expected a number of {bound}, but got {getattr(given, name)}")
    return Optimisation(
        learning_rate=given.learning_rate or defaults.learning_rate,
        head_learning_rate=given.head_learning_rate or None,
        epochs=given.epochs or defaults.epochs,
        max_steps=given.max_steps,
        step_tokens=given.step_tokens or defaults.step_tokens,
        accumulation=given.accumulation or defaults.accumulation,
        warmup=given.warmup if given.HasField("warmup") else defaults.warmup,
        course=one_of(_COURSES, given.schedule, f"{field}.schedule", trainer_pb2.Schedule),
        weight_decay=given.weight_decay if given.HasField("weight_decay") else defaults.weight_decay,
        clip=given.clip if given.HasField("clip") else defaults.clip,
        dropout=given.dropout if given.HasField("dropout") else None,
        dtype=one_of(_DTYPES, given.dtype, f"{field}.dtype", trainer_pb2.TrainingDtype),
        seed=given.seed,
        evaluations=given.evaluations or defaults.evaluations,
        patience=given.patience,
        workers=given.workers or defaults.workers,
    )


def at_least(value: int, least: int, field: str) -> None:
    """Refuses a number that is too small.

    Raises:
        InvalidArgument: It is.
    """
    if value < least:
        raise InvalidArgument(field, f"Expected a whole number of {least} or more, but got {value}")


def write_evaluate(spec: specs.EvaluateJob) -> trainer_pb2.EvaluateSpec:
    """An EvaluateSpec."""
    message = trainer_pb2.EvaluateSpec(
        checkpoint=spec.checkpoint,
        eval=write_sets(spec.eval),
        interventions=write_edits(spec.edits),
        language_interventions=write_language_edits(spec.edits),
        max_tokens=spec.max_tokens,
        dev=write_sets(spec.dev),
        alphas=spec.alphas,
    )
    if spec.lower is not None:
        message.lower_part.CopyFrom(trainer_pb2.LowerPart(model=write_model(spec.lower), layer=spec.lower_layer))
    return message


def write_fine_tune(job: specs.FineTuneJob) -> trainer_pb2.FineTuneSpec:
    """A FineTuneSpec with all defaults filled in."""
    message = trainer_pb2.FineTuneSpec(
        model=write_model(job.model),
        task=job.task,
        options=dict(job.options),
        train=write_sets(job.train),
        dev=write_sets(job.dev),
        eval=write_sets(job.eval),
        frozen=trainer_pb2.Frozen(
            embeddings=job.frozen.embeddings, layers=job.frozen.layers, patterns=job.frozen.patterns
        ),
        optimisation=write_optimisation(job.optimisation),
        max_tokens=job.max_tokens,
        interventions=write_edits(job.edits),
        language_interventions=write_language_edits(job.edits),
    )
    if job.adversary is not None:
        message.adversarial_alignment.CopyFrom(write_adversary(job.adversary))
        message.adversarial_alignment.unlabelled.extend(write_sets(job.unlabelled))
    return message


def write_optimisation(chosen: Optimisation) -> trainer_pb2.Optimisation:
    """An Optimisation with all defaults filled in."""
    optimisation = trainer_pb2.Optimisation(
        learning_rate=chosen.learning_rate,
        head_learning_rate=chosen.head_learning_rate or 0.0,
        epochs=chosen.epochs,
        max_steps=chosen.max_steps,
        step_tokens=chosen.step_tokens,
        accumulation=chosen.accumulation,
        warmup=chosen.warmup,
        schedule=_key(_COURSES, chosen.course),
        weight_decay=chosen.weight_decay,
        clip=chosen.clip,
        dtype=_key(_DTYPES, chosen.dtype),
        seed=chosen.seed,
        evaluations=chosen.evaluations,
        patience=chosen.patience,
        workers=chosen.workers,
    )
    if chosen.dropout is not None:
        optimisation.dropout = chosen.dropout
    return optimisation


def write_model(model: ModelSpec) -> model_pb2.ModelRef:
    """A ModelRef."""
    return model_pb2.ModelRef(name=model.name, revision=model.revision, reinit=write_reinit(model))


def write_reinit(model: ModelSpec | specs.ReinitChoice) -> list[model_pb2.ReinitLayers]:
    """Draws as messages."""
    return [
        model_pb2.ReinitLayers(
            layers=draw.layers, embeddings=draw.embeddings, seed=draw.seed, scheme=_SCHEMES[draw.scheme]
        )
        for draw in model.reinit
    ]


def write_sets(sets: Iterable[LanguageSet]) -> list[trainer_pb2.LanguageDataset]:
    """Sets as messages."""
    return [
        trainer_pb2.LanguageDataset(language=each.language, dataset=each.dataset, domain=each.domain) for each in sets
    ]


def _key(table: Mapping[int, Any], value: Any) -> Any:
    """The last name of a value: the ones before it are those of its being left out."""
    return [key for key, each in table.items() if each == value][-1]

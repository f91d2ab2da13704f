"""Messages of pretraining to plans, checked field by field, and back."""

from typing import Final

from babelscope.data.jobs.architecture import Architecture, Separation
from babelscope.v1 import trainer_pb2

from services.models.api.messages import one_of, read_model
from services.trainer.api.specs import (
    at_least,
    read_optimisation,
    read_sets,
    write_model,
    write_optimisation,
    write_sets,
)
from services.trainer.pretraining.plan import Form, Masking, PretrainPlan
from services.trainer.training.plan import Optimisation

DEFAULTS: Final = Optimisation(learning_rate=1e-4, epochs=1.0, step_tokens=8192)
"""How a model is optimised where the message does not say it."""
_HEAD_SIZE: Final = 64
FORMS: Final[dict[trainer_pb2.StreamForm.ValueType, Form]] = {
    trainer_pb2.STREAM_FORM_UNSPECIFIED: "text",
    trainer_pb2.STREAM_FORM_TEXT: "text",
    trainer_pb2.STREAM_FORM_PIECES: "pieces",
    trainer_pb2.STREAM_FORM_IDS: "ids",
}


def read_pretrain_mlm(spec: trainer_pb2.PretrainMlmSpec, field: str) -> PretrainPlan:
    """Reads a PretrainMlmSpec.

    Raises:
        InvalidArgument: A field is wrong.
        LimitExceeded: There are too many sets.
    """
    usual = PretrainPlan(())
    start = spec.WhichOneof("start")
    at_least(spec.max_tokens, 0, f"{field}.max_tokens")
    shares = usual.masking
    return PretrainPlan(
        train=read_sets(spec.train, f"{field}.train", least=1),
        dev=read_sets(spec.dev, f"{field}.dev"),
        model=read_model(spec.model, f"{field}.model") if start == "model" else None,
        architecture=_architecture(spec.architecture, f"{field}.architecture") if start == "architecture" else None,
        vocabulary=spec.vocabulary,
        form=one_of(FORMS, spec.form, f"{field}.form", trainer_pb2.StreamForm),
        exponent=spec.language_exponent if spec.HasField("language_exponent") else usual.exponent,
        masking=Masking(
            rate=spec.mask_rate if spec.HasField("mask_rate") else shares.rate,
            masked=spec.masked if spec.HasField("masked") else shares.masked,
            random=spec.random if spec.HasField("random") else shares.random,
            within_language=spec.random_within_language,
        ),
        source=spec.source,
        optimisation=read_optimisation(spec.optimisation, f"{field}.optimisation", DEFAULTS),
        max_tokens=spec.max_tokens,
    )


def _architecture(given: trainer_pb2.MlmArchitecture, field: str) -> Architecture:
    usual = Architecture()
    for name in ("layers", "hidden_size", "heads", "feed_forward", "max_tokens"):
        at_least(getattr(given, name), 0, f"{field}.{name}")
    width = given.hidden_size or usual.hidden_size
    return Architecture(
        family=given.family or usual.family,
        layers=given.layers or usual.layers,
        hidden_size=width,
        heads=given.heads or max(1, width // _HEAD_SIZE),
        feed_forward=given.feed_forward or 4 * width,
        max_tokens=given.max_tokens or usual.max_tokens,
        initializer_range=given.initializer_range or usual.initializer_range,
        separation=_separation(given.separation, f"{field}.separation") if given.HasField("separation") else None,
    )


def _separation(given: trainer_pb2.Separation, field: str) -> Separation:
    at_least(given.layers, 0, f"{field}.layers")
    return Separation(given.embeddings, given.layers, given.softmax, given.prefixed)


def write_pretrain_mlm(plan: PretrainPlan) -> trainer_pb2.PretrainMlmSpec:
    """A PretrainMlmSpec with all defaults filled in."""
    message = trainer_pb2.PretrainMlmSpec(
        vocabulary=plan.vocabulary,
        train=write_sets(plan.train),
        dev=write_sets(plan.dev),
        form=[number for number, form in FORMS.items() if form == plan.form][-1],
        language_exponent=plan.exponent,
        mask_rate=plan.masking.rate,
        masked=plan.masking.masked,
        random=plan.masking.random,
        source=plan.chosen_source,
        optimisation=write_optimisation(plan.optimisation),
        max_tokens=plan.max_tokens,
        random_within_language=plan.masking.within_language,
    )
    if plan.model is not None:
        message.model.CopyFrom(write_model(plan.model))
    if plan.architecture is not None:
        message.architecture.CopyFrom(plan.architecture.to_proto())
    return message

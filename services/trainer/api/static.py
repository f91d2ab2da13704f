"""Messages of static vectors to plans, and back."""

from typing import Final

from babelscope.v1 import trainer_pb2

from services.models.api.messages import one_of
from services.trainer.api.pretraining import FORMS
from services.trainer.api.specs import at_least, read_sets, write_sets
from services.trainer.static.plan import Kind, Model, StaticPlan

_KINDS: Final[dict[trainer_pb2.StaticKind.ValueType, tuple[Kind, Model]]] = {
    trainer_pb2.STATIC_KIND_WORD2VEC: ("word2vec", "skip_gram"),
    trainer_pb2.STATIC_KIND_WORD2VEC_CBOW: ("word2vec", "cbow"),
    trainer_pb2.STATIC_KIND_GLOVE: ("glove", "skip_gram"),
}
_USUAL: Final = {
    "word2vec": StaticPlan("word2vec", (), ""),
    "glove": StaticPlan("glove", (), "", epochs=25, learning_rate=0.05),
}
_WHOLE: Final = ("max_tokens", "dimension", "window", "min_count", "epochs", "negative", "batch")
_REAL: Final = ("learning_rate", "max_weight", "exponent")


def read_pretrain_static(spec: trainer_pb2.PretrainStaticSpec, field: str) -> StaticPlan:
    """Reads a PretrainStaticSpec.

    Raises:
        InvalidArgument: A field is wrong.
        LimitExceeded: There are too many sets.
    """
    kind, model = one_of(_KINDS, spec.kind, f"{field}.kind", trainer_pb2.StaticKind)
    usual = _USUAL[kind]
    for name in _WHOLE:
        at_least(getattr(spec, name), 0, f"{field}.{name}")
    numbers = {name: getattr(spec, name) or getattr(usual, name) for name in (*_WHOLE, *_REAL)}
    return StaticPlan(
        kind=kind,
        train=read_sets(spec.train, f"{field}.train", least=1),
        vocabulary=spec.vocabulary,
        form=one_of(FORMS, spec.form, f"{field}.form", trainer_pb2.StreamForm),
        seed=spec.seed,
        model=model,
        **numbers,
    )


def write_pretrain_static(plan: StaticPlan) -> trainer_pb2.PretrainStaticSpec:
    """A PretrainStaticSpec with all defaults filled in."""
    return trainer_pb2.PretrainStaticSpec(
        kind=next(number for number, said in _KINDS.items() if said == (plan.kind, plan.model)),
        vocabulary=plan.vocabulary,
        train=write_sets(plan.train),
        form=[number for number, form in FORMS.items() if form == plan.form][-1],
        seed=plan.seed,
        **{name: getattr(plan, name) for name in (*_WHOLE, *_REAL)},
    )

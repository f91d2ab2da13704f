"""Messages of static vectors: defaults by method, the way back, and fields that are refused by name."""

from dataclasses import replace

import pytest
from babelscope.calls.static import KINDS, pretrain_static_spec
from babelscope.v1 import trainer_pb2

from services.runtime.errors import InvalidArgument
from services.trainer.api.static import read_pretrain_static, write_pretrain_static
from services.trainer.static.plan import StaticPlan
from services.trainer.training.plan import LanguageSet

SETS = {"en": "datasets/1", "sv": "datasets/2"}
USUAL = StaticPlan("word2vec", (LanguageSet("en", "datasets/1"), LanguageSet("sv", "datasets/2")), "datasets/v")
DEFAULTS = {
    "word2vec": USUAL,
    "word2vec_cbow": replace(USUAL, model="cbow"),
    "glove": replace(USUAL, kind="glove", epochs=25, learning_rate=0.05),
}


@pytest.mark.parametrize("kind", KINDS)
def test_what_is_left_out_has_the_methods_defaults(kind: str) -> None:
    plan = read_pretrain_static(pretrain_static_spec(kind, "datasets/v", {}, train=SETS), "job")
    assert plan == DEFAULTS[kind]
    assert (plan.dimension, plan.window, plan.max_weight, plan.exponent) == (768, 10, 100.0, 0.75)
    assert read_pretrain_static(write_pretrain_static(plan), "job") == plan


def test_a_plan_comes_back() -> None:
    how = {"form": "ids", "dimension": 16, "window": 3, "min_count": 2, "epochs": 4, "learning_rate": 0.1, "seed": 9}
    how |= {"negative": 7, "max_weight": 10.0, "exponent": 0.5, "batch": 64, "max_tokens": 20}
    plan = read_pretrain_static(pretrain_static_spec("glove", "m", how, train=SETS), "job")
    assert {name: getattr(plan, name) for name in how} == how
    assert read_pretrain_static(write_pretrain_static(plan), "job") == plan


@pytest.mark.parametrize(
    ("message", "field"),
    [
        (trainer_pb2.PretrainStaticSpec(), "job.kind"),
        (trainer_pb2.PretrainStaticSpec(kind=9), "job.kind"),
        (trainer_pb2.PretrainStaticSpec(kind=1), "job.train"),
        (trainer_pb2.PretrainStaticSpec(kind=2, window=-1), "job.window"),
    ],
)
def test_what_is_wrong_is_refused_by_name(message: trainer_pb2.PretrainStaticSpec, field: str) -> None:
    with pytest.raises(InvalidArgument) as raised:
        read_pretrain_static(message, "job")
    assert raised.value.field == field
    with pytest.raises(ValueError, match="kind"):
        pretrain_static_spec("lsa", "v", {}, train=SETS)

"""Messages of pretraining: defaults, the way back, and fields that are refused by name."""

from dataclasses import replace

import pytest
from babelscope.calls.pretraining import pretrain_mlm_spec
from babelscope.data.jobs.architecture import Architecture, Separation
from babelscope.v1 import trainer_pb2

from services.models.spec import ModelSpec
from services.runtime.errors import InvalidArgument
from services.trainer.api.pretraining import DEFAULTS, read_pretrain_mlm, write_pretrain_mlm
from services.trainer.pretraining.plan import Masking, PretrainPlan
from services.trainer.training.plan import LanguageSet

SETS = {"en": "datasets/1", "sv": "datasets/2"}


def test_what_is_left_out_is_the_papers_model() -> None:
    plan = read_pretrain_mlm(pretrain_mlm_spec(Architecture(), "datasets/v", {}, train=SETS, dev={"en": "d"}), "job")
    assert plan == PretrainPlan(
        train=(LanguageSet("en", "datasets/1"), LanguageSet("sv", "datasets/2")),
        dev=(LanguageSet("en", "d"),),
        architecture=Architecture("bert", 8, 768, 12, 3072, 256, 0.02),
        vocabulary="datasets/v",
        form="text",
        exponent=0.7,
        masking=Masking(0.15, 0.8, 0.1),
        optimisation=DEFAULTS,
    )
    assert plan.chosen_source == "en"


def test_zero_is_a_value_where_a_share_may_be_zero() -> None:
    how = {"language_exponent": 0.0, "masked": 0.0, "random": 0.0, "form": "ids", "dropout": 0.0, "warmup": 0.0}
    plan = read_pretrain_mlm(pretrain_mlm_spec("m", "", how, train=SETS, dev=()), "job")
    assert (plan.exponent, plan.masking, plan.form) == (0.0, Masking(0.15, 0.0, 0.0), "ids")
    assert (plan.optimisation.dropout, plan.optimisation.warmup) == (0.0, 0.0)
    assert (plan.model, plan.architecture) == (ModelSpec("m"), None)


@pytest.mark.parametrize(
    "start",
    [
        "m",
        Architecture("modernbert", 6, 128, 4, 300, 64, 0.09),
        Architecture(separation=Separation(embeddings=True, layers=3, softmax=True, prefixed=True)),
        Architecture(separation=Separation()),
    ],
)
def test_a_plan_comes_back(start: Architecture | str) -> None:
    how = {
        "source": "sv",
        "seed": 7,
        "schedule": "inverse_sqrt",
        "dtype": "bfloat16",
        "mask_rate": 0.3,
        "random_within_language": True,
    }
    plan = read_pretrain_mlm(pretrain_mlm_spec(start, "", how, train=SETS, dev=SETS), "job")
    again = read_pretrain_mlm(write_pretrain_mlm(plan), "job")
    assert again == plan
    assert (again.source, again.masking.within_language) == ("sv", True)
    if isinstance(start, Architecture):
        assert again.architecture is not None
        assert (again.architecture.separation is None) is (start.separation is None)


def test_the_source_that_stands_for_none_is_filled_in() -> None:
    plan = read_pretrain_mlm(pretrain_mlm_spec("m", "", {}, train=SETS, dev=SETS), "job")
    assert read_pretrain_mlm(write_pretrain_mlm(plan), "job") == replace(plan, source="en")


@pytest.mark.parametrize(
    ("message", "field"),
    [
        (trainer_pb2.PretrainMlmSpec(), "job.train"),
        (trainer_pb2.PretrainMlmSpec(train=[trainer_pb2.LanguageDataset()]), "job.train[0].dataset"),
        (trainer_pb2.PretrainMlmSpec(max_tokens=-1), "job.max_tokens"),
        (trainer_pb2.PretrainMlmSpec(architecture=trainer_pb2.MlmArchitecture(layers=-1)), "job.architecture.layers"),
        (
            trainer_pb2.PretrainMlmSpec(optimisation=trainer_pb2.Optimisation(learning_rate=-1)),
            "job.optimisation.learning_rate",
        ),
    ],
)
def test_wrong_fields_are_named(message: trainer_pb2.PretrainMlmSpec, field: str) -> None:
    if field != "job.train" and not message.train:
        message.train.add(language="en", dataset="datasets/1")
    with pytest.raises(InvalidArgument) as raised:
        read_pretrain_mlm(message, "job")
    assert raised.value.field == field

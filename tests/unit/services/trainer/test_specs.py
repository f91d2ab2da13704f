"""Jobs keep every digit on their way through the table."""

from typing import Any

import pytest
from babelscope.data.jobs.architecture import Architecture
from hypothesis import given
from hypothesis import strategies as st

from services.models.spec import ModelSpec, Reinit
from services.runtime.errors import DataLoss
from services.trainer import specs
from services.trainer.alignment.stored import StoredEdit
from services.trainer.extension.plan import ExtendPlan
from services.trainer.pretraining.plan import PretrainPlan
from services.trainer.static.plan import StaticPlan
from services.trainer.training.plan import Frozen, LanguageSet, Optimisation


@given(seed=st.integers(-(2**63), 2**63 - 1), rate=st.floats(allow_nan=False, allow_infinity=False), name=st.text())
def test_a_job_comes_back_as_it_was(seed: int, rate: float, name: str) -> None:
    job = specs.FineTuneJob(
        model=ModelSpec(name, "", (Reinit((1, 2), True, seed),)),
        task="pos",
        train=(LanguageSet("en", "datasets/1"), LanguageSet("zh-Hant", name)),
        options={"ключ": name},
        frozen=Frozen(True, 6, ("*.bias",)),
        optimisation=Optimisation(learning_rate=rate, seed=seed, head_learning_rate=None),
        edits=(StoredEdit(6, "vectors/" + "0" * 64, rate),),
    )
    data = specs.write(job)
    assert specs.read(specs.FineTuneJob, data) == job
    assert specs.write(specs.read(specs.FineTuneJob, data)) == data


def test_equal_jobs_have_equal_bytes() -> None:
    one = specs.FineTuneJob(ModelSpec("m"), "pos", (LanguageSet("en", "d"),), options={"a": "1", "b": "2"})
    other = specs.FineTuneJob(ModelSpec("m"), "pos", (LanguageSet("en", "d"),), options={"b": "2", "a": "1"})
    assert specs.write(one) == specs.write(other)


def test_every_kind_comes_back() -> None:
    base = specs.FineTuneJob(ModelSpec("m"), "pos", (LanguageSet("en", "d"),))
    source = specs.SweepSource(LanguageSet("en", "d"), None)
    jobs: dict[str, Any] = {
        "fine_tune": base,
        "evaluate": specs.EvaluateJob("checkpoints/x", (LanguageSet("", "d"),)),
        "sweep": specs.SweepJob(
            base,
            (specs.SweepTask("pos", (source,), (LanguageSet("en", "d", "web"),), {"a": "b"}, 6.0),),
            (specs.ReinitChoice("1-2", (Reinit((1, 2)),)),),
            (0, 1),
            (3e-5,),
            (1024,),
        ),
        "study": specs.StudyJob("name: x\n", {"a.csv": "blobs/" + "0" * 64}, 60.0),
    }
    jobs["pretrain_mlm"] = PretrainPlan(
        (LanguageSet("en", "d"),), architecture=Architecture("roberta", 6), vocabulary="datasets/v", form="ids"
    )
    jobs["extend_model"] = ExtendPlan(ModelSpec("m"), "datasets/v", anchors="datasets/a", limit=9)
    jobs["pretrain_static"] = StaticPlan("glove", (LanguageSet("en", "d"),), "datasets/v", form="ids", dimension=16)
    assert jobs.keys() == specs.KINDS.keys()
    for kind, job in jobs.items():
        assert specs.read(specs.KINDS[kind], specs.write(job)) == job


@pytest.mark.parametrize("data", [b"", b"{}", b"[1]", b'{"model": 3}', b"\xff"])
def test_what_is_no_job_is_refused(data: bytes) -> None:
    with pytest.raises(DataLoss, match="Expected FineTuneJob in the job table"):
        specs.read(specs.FineTuneJob, data)

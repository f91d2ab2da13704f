"""Interventions by language and adversarial alignment: messages to specifications and back, and what is refused."""

from pathlib import Path

import numpy as np
import pytest
from babelscope import Adversary, Intervention, LinearMap, Shift
from babelscope.calls.jobs import by_language, fine_tune_spec
from babelscope.v1 import trainer_pb2
from safetensors.numpy import save

from services.models.artifacts import read_array, write_layers
from services.runtime.errors import InvalidArgument
from services.runtime.files.store import Store
from services.trainer import specs
from services.trainer.api.alignment import read_language_edits, read_stored_edits
from services.trainer.api.specs import read_evaluate, read_fine_tune, write_evaluate, write_fine_tune

SETS = {"train": {"en": "datasets/a"}, "dev": {}, "test": {}}


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(f"file://{tmp_path}/store", 1 << 30)


def _spec(**how: object) -> trainer_pb2.FineTuneSpec:
    return fine_tune_spec("m", "pos", how, train=SETS["train"], dev={}, test={})


def test_interventions_and_alignment_come_back_as_they_were(store: Store) -> None:
    matrix = np.eye(3, dtype=np.float32)
    stored = store.put("maps", save({"matrix": matrix, "bias": np.ones(3, np.float32)}), suffix=".safetensors")
    adversary = Adversary(8, {"zh": "datasets/b", "fr": "datasets/c"}, weight=0.5, hidden_size=64, dropout=0.0, steps=5)
    spec = _spec(
        interventions=[Intervention(1, Shift(np.arange(3.0), 2.0))],
        language_interventions={
            "en": [
                Intervention(8, linear_map=LinearMap(stored, stored)),
                Intervention(9, linear_map=LinearMap(matrix)),
            ],
            "zh": [Intervention(8, linear_map=LinearMap(stored, positions="non_special"))],
        },
        adversary=adversary,
    )
    job = read_fine_tune(spec, "job.fine_tune", store)
    assert [(each.layer, each.language) for each in job.edits] == [(1, ""), (8, "en"), (9, "en"), (8, "zh")]
    assert (job.edits[1].matrix, job.edits[1].bias) == (stored, stored)
    assert job.adversary is not None
    assert (job.adversary.layer, job.adversary.weight, job.adversary.steps, job.adversary.dropout) == (8, 0.5, 5, 0.0)
    assert [(each.language, each.dataset) for each in job.unlabelled] == [("zh", "datasets/b"), ("fr", "datasets/c")]
    assert read_fine_tune(write_fine_tune(job), "job.fine_tune", store) == job
    assert specs.read(specs.FineTuneJob, specs.write(job)) == job
    plain = read_fine_tune(_spec(), "job.fine_tune", store)
    assert plain.adversary is None
    assert not write_fine_tune(plain).HasField("adversarial_alignment")
    default = read_fine_tune(
        trainer_pb2.FineTuneSpec(
            model=spec.model,
            task="pos",
            train=spec.train,
            adversarial_alignment=trainer_pb2.AdversarialAlignment(unlabelled=spec.train),
        ),
        "",
        store,
    )
    assert default.adversary == type(job.adversary)(0)
    evaluated = trainer_pb2.EvaluateSpec(
        checkpoint="checkpoints/a",
        eval=spec.train,
        language_interventions=by_language({"fr": [Intervention(2, linear_map=LinearMap(matrix))]}),
    )
    scored = read_evaluate(evaluated, "job.evaluate", store)
    assert [(each.layer, each.language) for each in scored.edits] == [(2, "fr")]
    assert read_evaluate(write_evaluate(scored), "job.evaluate", store) == scored


def test_a_stored_shift_is_that_of_its_layer_less_its_origin(store: Store) -> None:
    """As `means` stores them: vectors by layer, of which a shift is a difference."""
    first, second = (
        write_layers(store, np.arange(6.0).reshape(2, 3) * factor, (4, 6), {"language": "x"}) for factor in (1, 3)
    )
    spec = trainer_pb2.EvaluateSpec()
    shift = spec.interventions.add(layer=6).shift
    shift.vector.artifact, shift.origin.artifact, shift.alpha = second, first, 1.0
    [edit] = read_stored_edits(spec, "", store)
    found = read_array(store, edit.vector, "vector", "", edit.layer).array
    np.testing.assert_array_equal(found, 2 * np.arange(3.0, 6.0))
    [asked] = read_language_edits(trainer_pb2.PredictSpec(interventions=spec.interventions), "spec", store)
    assert asked.edit.vector is not None
    np.testing.assert_array_equal(asked.edit.vector, found)


def test_what_is_wrong_is_named(store: Store) -> None:
    twice = [trainer_pb2.LanguageInterventions(language="en"), trainer_pb2.LanguageInterventions(language="en")]
    spelled = [trainer_pb2.LanguageInterventions(language=tag) for tag in ("zh", "fr", "cmn-Hans")]
    for given, place in ((twice, 1), (spelled, 2), ([trainer_pb2.LanguageInterventions()], 0)):
        with pytest.raises(InvalidArgument) as caught:
            read_stored_edits(trainer_pb2.EvaluateSpec(language_interventions=given), "job.evaluate", store)
        assert caught.value.field == f"job.evaluate.language_interventions[{place}].language"
    spec = _spec(adversary=Adversary(2, {"zh": "datasets/b"}))
    for change, field in (
        ({"discriminator_steps": -1}, "discriminator_steps"),
        ({"weight": -1.0}, "weight"),
        ({"smoothing": 0.7}, "smoothing"),
        ({"layer": -2}, "layer"),
    ):
        wrong = trainer_pb2.FineTuneSpec()
        wrong.CopyFrom(spec)
        for name, value in change.items():
            setattr(wrong.adversarial_alignment, name, value)
        with pytest.raises(InvalidArgument) as caught:
            read_fine_tune(wrong, "job.fine_tune", store)
        assert caught.value.field == f"job.fine_tune.adversarial_alignment.{field}"
    del spec.adversarial_alignment.unlabelled[:]
    with pytest.raises(InvalidArgument) as caught:
        read_fine_tune(spec, "job.fine_tune", store)
    assert caught.value.field == "job.fine_tune.adversarial_alignment.unlabelled"
    with pytest.raises(ValueError, match="Expected `weight` above 0"):
        _spec(adversary=Adversary(2, {"zh": "datasets/b"}, weight=0.0))

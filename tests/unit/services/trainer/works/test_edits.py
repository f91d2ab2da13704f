"""Interventions of jobs: from messages to the store, and from there to the model."""

from pathlib import Path

import numpy as np
import pytest
from babelscope.data.models import Intervention, LinearMap, Shift
from babelscope.v1 import trainer_pb2

from services.models.artifacts import write_layers
from services.models.spec import Edit
from services.runtime.errors import InvalidArgument
from services.runtime.files.store import Store
from services.trainer.api.specs import read_evaluate, write_evaluate
from services.trainer.works.edits import read_edits

D = 4
LAYERS = (0, 2, 3)
EN = np.arange(12, dtype=np.float64).reshape(3, D)
DE = EN[::-1] * 2 + 1


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(str(tmp_path / "store"))


def _through(store: Store, *edits: Intervention) -> tuple[Edit, ...]:
    spec = trainer_pb2.EvaluateSpec(
        checkpoint="checkpoints/" + "0" * 64,
        eval=[trainer_pb2.LanguageDataset(language="en", dataset="datasets/" + "0" * 64)],
        interventions=[edit.to_proto() for edit in edits],
    )
    job = read_evaluate(spec, "spec", store)
    assert read_evaluate(write_evaluate(job), "spec", store) == job
    return read_edits(store, job.edits)


def test_means_by_name_give_the_difference_at_the_layer_of_the_edit(store: Store) -> None:
    en, de = (write_layers(store, means, LAYERS, {"digest": "ab", "model": "m"}) for means in (EN, DE))
    plain, shift = _through(store, Intervention(2, Shift(de, 2.0)), Intervention(3, Shift(de, 2.0, origin=en)))
    assert plain.vector is not None
    assert shift.vector is not None
    np.testing.assert_array_equal(plain.vector, DE[1])
    np.testing.assert_array_equal(shift.vector, DE[2] - EN[2])
    assert [(each.array, each.digest, each.model) for each in shift.origins] == [("shift.vector", "ab", "m")]


def test_arrays_of_the_request_keep_the_model_that_it_names(store: Store) -> None:
    edit = Intervention(1, Shift(EN[0], model_digest="ab"), LinearMap(np.eye(D), EN[1], model_digest="ab"))
    (read,) = _through(store, edit)
    assert [(each.array, each.digest) for each in read.origins] == [
        ("shift.vector", "ab"),
        ("linear_map.matrix", "ab"),
        ("linear_map.bias", "ab"),
    ]
    (unknown,) = _through(store, Intervention(1, Shift(EN[0])))
    assert unknown.origins == ()


def test_what_may_be_of_another_model_has_no_origin(store: Store) -> None:
    en, de = (write_layers(store, means, LAYERS, {"digest": digest}) for means, digest in ((EN, "ab"), (DE, "cd")))
    mixed = Shift(de, origin=en)
    (read,) = _through(store, Intervention(2, mixed, allow_other_model=True))
    assert read.origins == ()
    with pytest.raises(InvalidArgument, match="computed with one model") as caught:
        _through(store, Intervention(2, mixed))
    assert caught.value.field == "spec.interventions[0].shift.origin"

"""Digests of edits and keys of plans."""

import numpy as np

from services.models.spec import Edit, EncodePlan, ModelSpec, Pooling, Reinit

V = np.arange(3, dtype=np.float32)
M = np.eye(3, dtype=np.float32)


def test_equal_edits_have_equal_digests_and_others_do_not() -> None:
    edits = [
        Edit(1, V, 1.0),
        Edit(2, V, 1.0),
        Edit(1, V, 2.0),
        Edit(1, V + 1, 1.0),
        Edit(1, V, 1.0, vector_positions="all"),
        Edit(1, matrix=M),
        Edit(1, matrix=M, bias=V),
        Edit(1, matrix=M, matrix_positions="non_special"),
        Edit(1, V, 1.0, matrix=M),
    ]
    assert len({edit.digest for edit in edits}) == len(edits)
    assert Edit(1, V.copy(), 1.0).digest == edits[0].digest


def test_keys_of_plans() -> None:
    plan = EncodePlan((0, 1), Pooling.MEAN, (Edit(1, V, 1.0),))
    assert plan.key == EncodePlan((0, 1), Pooling.MEAN, (Edit(1, V.copy(), 1.0),)).key
    others = [
        EncodePlan((1, 0), Pooling.MEAN, plan.edits),
        EncodePlan((0, 1), Pooling.CLS, plan.edits),
        EncodePlan((0, 1)),
        EncodePlan((0, 1), Pooling.MEAN, plan.edits, "bfloat16"),
    ]
    assert len({plan.key, *(other.key for other in others)}) == 5


def test_model_specs_are_hashable() -> None:
    assert len({ModelSpec("a"), ModelSpec("a"), ModelSpec("a", reinit=(Reinit((1,)),))}) == 2

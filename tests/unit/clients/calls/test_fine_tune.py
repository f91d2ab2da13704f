from typing import Any

import pytest
from babelscope.calls.jobs import fine_tune_spec


@pytest.mark.parametrize(
    ("how", "message"),
    [
        ({"learning_rate": 0.0}, "`learning_rate` above 0, but got 0.0"),
        ({"head_learning_rate": 0}, "`head_learning_rate` above 0, but got 0"),
        ({"epochs": 0}, "`epochs` above 0, but got 0"),
        ({"step_tokens": 0}, "`step_tokens` above 0, but got 0"),
        ({"seed": 1 << 63}, "fits `seed`, but got 9223372036854775808"),
        ({"step_tokens": 1 << 31}, "fits `step_tokens`, but got 2147483648"),
        ({"epochs": "three"}, "fits `epochs`, but got 'three'"),
        ({"dtype": "float8"}, "`dtype` to be one of 'float32', 'bfloat16', but got 'float8'"),
    ],
)
def test_numbers_that_a_job_cannot_have_are_named(how: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        fine_tune_spec("tiny", "pos", how, train=(), dev=(), test=())


def test_what_is_given_arrives_and_the_rest_is_left_to_the_server() -> None:
    given = {"learning_rate": 1e-3, "head_learning_rate": None, "dropout": 0.0, "seed": -(1 << 63)}
    found = fine_tune_spec("tiny", "pos", given, train=(), dev=(), test=()).optimisation
    assert (found.learning_rate, found.dropout, found.seed) == (1e-3, 0.0, -(1 << 63))
    assert found.HasField("dropout")
    assert not found.HasField("warmup")
    assert (found.head_learning_rate, found.epochs) == (0.0, 0.0)

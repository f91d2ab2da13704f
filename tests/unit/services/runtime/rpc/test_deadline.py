"""What is left of a deadline."""

from dataclasses import dataclass

import pytest

from services.runtime.rpc import deadline


@dataclass
class Context:
    seconds: float | None

    def time_remaining(self) -> float | None:
        return self.seconds


@pytest.mark.parametrize(("given", "left"), [(None, None), (2.5, 2.5), (0.0, 0.0), (-1.0, 0.0)])
def test_remaining(given: float | None, left: float | None) -> None:
    assert deadline.remaining(Context(given)) == left


@pytest.mark.parametrize(
    ("given", "left", "passed"),
    [
        (None, None, False),
        (2.0, 0.0, True),
        (0.3, 0.001, True),
        (2.0, 0.0113, True),
        (15.0, 0.095, True),
        (3600.0, 36.0, True),
        (2.0, 0.2, False),
        (15.0, 1.0, False),
        (3600.0, 100.0, False),
    ],
)
def test_passed(given: float | None, left: float | None, passed: bool) -> None:
    """The deadline passed at the client first where less is left than gRPC rounds it up by."""
    assert deadline.passed(Context(left), given) is passed

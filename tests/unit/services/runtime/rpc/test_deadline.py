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

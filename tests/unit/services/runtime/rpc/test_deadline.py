"""What is left of a deadline."""

from dataclasses import dataclass

import pytest

from services.runtime.errors import DeadlinePassed
from services.runtime.rpc import deadline


@dataclass
class Context:
    seconds: float | None

    def time_remaining(self) -> float | None:
        return self.seconds


@pytest.mark.parametrize(("given", "left"), [(None, None), (2.5, 2.5), (0.0, 0.0), (-1.0, 0.0)])
def test_remaining(given: float | None, left: float | None) -> None:
    assert deadline.remaining(Context(given)) == left


def test_check_stops_only_what_is_late() -> None:
    deadline.check(Context(None))
    deadline.check(Context(0.1))
    with pytest.raises(DeadlinePassed):
        deadline.check(Context(-0.1))


def test_within_takes_the_shorter() -> None:
    assert deadline.within(Context(None), 5) == 5
    assert deadline.within(Context(2), 5) == 2
    assert deadline.within(Context(9), 5) == 5

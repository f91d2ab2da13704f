"""What is kept from one job to the next: known by its key, bounded in bytes, and dropped when nobody asks for it."""

import numpy as np
import pytest

from services.trainer.kept import Kept, weight
from tests.support.task_examples import sentences


@pytest.fixture
def kept() -> Kept:
    """Room for a hundred bytes, in the first job."""
    made = Kept()
    made.begin(100)
    return made


def _ask(kept: Kept, name: str, size: int = 40) -> bool:
    """Whether a value had to be computed."""
    made = []
    assert kept.once(name, lambda: made.append(name) or name, lambda _: size) == name  # type: ignore[func-returns-value]
    return bool(made)


def test_without_room_nothing_is_kept() -> None:
    kept = Kept()
    assert not kept
    assert [_ask(kept, "a") for _ in range(2)] == [True, True]


def test_a_value_is_computed_once(kept: Kept) -> None:
    assert [_ask(kept, "a") for _ in range(2)] == [True, False]
    kept.begin(100)
    assert not _ask(kept, "a")


def test_what_the_last_two_jobs_asked_for_makes_no_room(kept: Kept) -> None:
    """A job that goes through more data than there is room for still finds what was kept of it."""
    for _ in range(3):
        for name in "abcd":
            _ask(kept, name)
        assert kept.held == 80
        kept.begin(100)
        assert not _ask(kept, "a")


def test_what_two_jobs_have_not_asked_for_makes_room(kept: Kept) -> None:
    _ask(kept, "a")
    _ask(kept, "b")
    kept.begin(100)
    _ask(kept, "b")
    kept.begin(100)
    assert _ask(kept, "c")
    assert [_ask(kept, name) for name in "bca"] == [False, False, True]
    assert kept.held == 80


def test_what_is_larger_than_all_room_drives_nothing_out(kept: Kept) -> None:
    _ask(kept, "a")
    for _ in range(3):
        kept.begin(100)
    assert _ask(kept, "large", 101)
    assert not _ask(kept, "a")


def test_a_job_that_keeps_nothing_lets_go_of_all(kept: Kept) -> None:
    _ask(kept, "a")
    kept.begin(0)
    assert kept.held == 0
    kept.begin(100)
    assert _ask(kept, "a")


def test_weights_are_those_of_the_contents() -> None:
    assert weight(np.zeros(1000)) == pytest.approx(8000, rel=0.05)
    assert weight("a" * 1000) == pytest.approx(1000, rel=0.1)
    few, many = tuple(sentences(100)), tuple(sentences(1000))
    assert weight(many) == pytest.approx(10 * weight(few), rel=0.1)
    assert weight({"a": np.zeros(1000)}) > weight(np.zeros(1000)) > weight(1)

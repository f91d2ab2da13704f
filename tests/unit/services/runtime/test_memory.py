import subprocess
import sys
from pathlib import Path

import pytest

from services.runtime.errors import LimitExceeded
from services.runtime.memory import Memory, accounted, held_here, hold_here, hold_newest, weight


def test_requests_share_one_budget_and_give_it_back() -> None:
    memory = Memory(100)
    with memory.account() as first, memory.account() as second:
        first.take(60)
        second.take(40)
        with pytest.raises(LimitExceeded, match="at most 100 bytes together, but 100 are held") as caught:
            second.take(1)
        assert (caught.value.subject, caught.value.retry_after) == ("held_bytes", 1.0)
        first.give(20)
        second.take(20)
        assert (first.held, second.held, memory.used) == (40, 60, 100)
    assert memory.used == 0


def test_what_never_fits_is_not_to_be_tried_again() -> None:
    with Memory(100).account() as account, pytest.raises(LimitExceeded) as caught:
        account.take(101)
    assert caught.value.retry_after is None


def test_a_request_that_fails_gives_back_what_it_held() -> None:
    memory = Memory(100)

    def request() -> None:
        with memory.account() as account:
            account.take(60)
            account.take(60)

    with pytest.raises(LimitExceeded):
        request()
    assert memory.used == 0


def test_one_wide_character_makes_a_text_weigh_four_times_as_much() -> None:
    assert weight("a" * 1000 + "\N{GRINNING FACE}") > 4 * 1000
    assert weight("a" * 1000) < 1500


def test_deep_work_is_counted_to_whom_it_is_done_for() -> None:
    memory = Memory(1000)
    hold_here(10**9)  # nobody's
    with memory.account() as account:
        with accounted(account):
            hold_here(600)
            with accounted(None):
                hold_here(10**9)
            with pytest.raises(LimitExceeded):
                hold_here(401)
        assert (account.held, memory.used) == (600, 600)
    assert memory.used == 0


def test_what_deep_work_needs_for_a_while_is_given_back() -> None:
    memory = Memory(1000)
    with held_here(10**9):  # nobody's
        pass
    with memory.account() as account, accounted(account):
        with held_here(600):
            assert memory.used == 600
            with pytest.raises(LimitExceeded), held_here(401):
                raise AssertionError
        assert (account.held, memory.used) == (0, 0)


def test_the_newest_keys_of_a_table_are_counted() -> None:
    memory = Memory(10_000)
    with memory.account() as account, accounted(account):
        known = dict.fromkeys(["a" * 5000, "b", "c"])
        hold_newest(known, 2)
        assert account.held == weight("b") + weight("c")
        hold_newest(known, 0)
        assert account.held == weight("b") + weight("c")


ROOT = Path(__file__).resolve().parents[4]
SPARING = """
import gc
import weakref
from services.runtime.memory import spare_what_came, spare_what_stays

class Ring:
    def __init__(self):
        self.me = self

spare_what_came()
assert gc.get_freeze_count() == 0  # nobody asked for it
theirs = Ring()
gc.freeze()  # by whoever else runs the process
came = Ring()
spare_what_came()
assert gc.is_tracked(came) and any(each is came for each in gc.get_objects())
assert all(each is not theirs for each in gc.get_objects())
first = Ring()
gone = weakref.ref(first)
spare_what_stays()
assert gc.get_freeze_count() > 1000
before = len(gc.get_objects())
assert before < 1000
second = Ring()
spare_what_came()
assert all(each is not second for each in gc.get_objects())
del first
gc.collect()
assert gone() is not None  # it is out of the collector's sight
spare_what_came()
assert gone() is None
"""


def test_objects_that_stay_are_spared_and_circles_among_them_end_with_the_next_look() -> None:
    done = subprocess.run([sys.executable, "-c", SPARING], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr

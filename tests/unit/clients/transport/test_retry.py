"""When to try again, by a clock and a die of the test's own."""

import pytest
from babelscope.errors import (
    Cancelled,
    DataCorrupted,
    DeadlineExceeded,
    InvalidRequest,
    LimitExceeded,
    NotFound,
    Refused,
    RpcError,
    ServerFault,
    Unavailable,
)
from babelscope.transport.retry import Contact, Retry, RetryPolicy, is_transient
from hypothesis import given
from hypothesis import strategies as st

POLICY = RetryPolicy(initial=1, factor=2, maximum=8, patience=100, first_patience=10, fruitless=3)


class Clock:
    """Seconds that pass when told."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


def _retry(timeout: float | None = None, contact: bool = True, chance: float = 1.0) -> tuple[Retry, Clock]:
    clock, known = Clock(), Contact()
    known.made = contact
    return Retry(POLICY, timeout, known, clock=clock, chance=lambda: chance), clock


def _down(retry_after: float | None = None) -> Unavailable:
    return Unavailable("down", retry_after=retry_after)


def test_delays_double_up_to_the_longest() -> None:
    retry, _ = _retry()
    assert [retry.delay(_down()) for _ in range(6)] == [1, 2, 4, 8, 8, 8]


@given(st.floats(0, 1, exclude_max=True), st.integers(0, 12))
def test_a_delay_is_drawn_from_the_upper_half(chance: float, tries: int) -> None:
    retry, _ = _retry(chance=chance)
    for _ in range(tries):
        retry.delay(_down())
    longest = min(8, 2**tries)
    assert longest / 2 <= retry.delay(_down()) <= longest


def test_the_servers_own_delay_counts_for_more() -> None:
    retry, _ = _retry()
    assert retry.delay(_down(retry_after=30)) == 30
    assert retry.delay(LimitExceeded("queue", retry_after=0.5)) == 2


@pytest.mark.parametrize(("contact", "patience"), [(True, 100), (False, 10)])
def test_patience_ends_sooner_with_a_server_that_never_answered(contact: bool, patience: float) -> None:
    retry, clock = _retry(contact=contact)
    clock.now += patience - 2
    retry.delay(_down())
    clock.now += 2
    with pytest.raises(Unavailable):
        retry.delay(_down())


def test_an_answer_starts_patience_anew() -> None:
    retry, clock = _retry(contact=False)
    for _ in range(10):
        clock.now += 90
        retry.alive()
        assert retry.delay(_down()) == 1


def test_a_server_that_says_when_to_come_back_has_answered() -> None:
    retry, clock = _retry(contact=False)
    clock.now += 50
    assert retry.delay(_down(retry_after=2)) == 2


def test_attempts_that_lead_nowhere_are_numbered() -> None:
    retry, _ = _retry()
    for _ in range(2):
        retry.accepted()
        retry.delay(_down())
    retry.accepted()
    with pytest.raises(Unavailable):
        retry.delay(_down())


def test_progress_forgives_the_attempts_before() -> None:
    retry, _ = _retry()
    for _ in range(20):
        retry.accepted()
        retry.progressed()
        retry.delay(_down())


def test_the_deadline_is_over_all_tries() -> None:
    retry, clock = _retry(timeout=20)
    assert retry.remaining() == 20
    clock.now += 19.5
    assert retry.remaining() == 0.5
    with pytest.raises(DeadlineExceeded, match="while waiting to try again: down") as caught:
        retry.delay(_down())
    assert isinstance(caught.value.__cause__, Unavailable)
    clock.now += 100
    assert retry.remaining() == 0


@pytest.mark.parametrize(
    ("error", "transient"),
    [
        (Unavailable("x"), True),
        (Cancelled("x"), True),
        (LimitExceeded("x", retry_after=1.0), True),
        (LimitExceeded("x"), False),
        (InvalidRequest("x"), False),
        (NotFound("x"), False),
        (Refused("x"), False),
        (DeadlineExceeded("x"), False),
        (DataCorrupted("x"), False),
        (ServerFault("x"), False),
    ],
)
def test_only_what_may_pass_is_tried_again(error: RpcError, transient: bool) -> None:
    assert is_transient(error) is transient
    retry, _ = _retry()
    if not transient:
        with pytest.raises(type(error)):
            retry.delay(error)

"""Amounts a minute, held against an independent count."""

import asyncio

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.runtime.callers.accounts import Account, Bucket, Limits
from services.runtime.errors import LimitExceeded


class Clock:
    """Time that passes when a test says so."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def test_a_bucket_fills_within_a_minute_and_no_further() -> None:
    clock = Clock()
    bucket = Bucket(600, clock)
    bucket.spend(600)
    assert bucket.wait() == pytest.approx(0.1)  # 10 a second: one is there after a tenth
    clock.now += 0.2
    assert bucket.wait() == 0
    clock.now += 3600
    bucket.spend(599)
    assert bucket.wait() == 0
    bucket.spend(1)
    assert bucket.wait() > 0


def test_what_is_larger_than_a_minute_passes_once_and_is_paid_for() -> None:
    clock = Clock()
    bucket = Bucket(60, clock)
    bucket.spend(180)
    assert bucket.wait() == pytest.approx(121)
    clock.now += 121
    assert bucket.wait() == 0


@given(st.integers(1, 1000), st.lists(st.tuples(st.floats(0, 100), st.integers(0, 2000)), max_size=20))
def test_no_more_is_spent_than_a_minute_and_the_rate_give(per_minute: int, steps: list[tuple[float, int]]) -> None:
    """Who waits as it is told spends, but for its last message, at most what has flowed in."""
    clock = Clock()
    bucket, start, spent = Bucket(per_minute, clock), clock.now, 0
    for pause, amount in steps:
        clock.now += pause
        clock.now += bucket.wait() * (1 + 1e-9)
        assert spent <= per_minute + (clock.now - start) * per_minute / 60 + 1e-3
        bucket.spend(amount)
        spent += amount


def test_other_limits_keep_what_was_overdrawn() -> None:
    clock = Clock()
    bucket = Bucket(60, clock)
    bucket.spend(120)
    bucket.change(6000)
    assert bucket.wait() == pytest.approx(0.61)
    bucket.change(None)
    assert bucket.wait() == 0
    bucket.spend(10**12)
    assert bucket.wait() == 0
    bucket.change(60)
    assert bucket.wait() == 0


def test_an_account_names_the_limit_and_the_time() -> None:
    account = Account("ada", Limits(tokens_per_minute=60, bytes_per_minute=60_000), Clock())
    account.spend_bytes(60_000)
    account.spend_tokens(90)
    with pytest.raises(LimitExceeded, match="at most 60 tokens a minute of caller ada") as caught:
        account.check()
    assert caught.value.subject == "tokens_per_minute"
    assert caught.value.retry_after == pytest.approx(31)
    assert (account.spent_tokens, account.spent_bytes, account.refusals) == (90, 60_000, {"tokens_per_minute": 1})


async def test_a_stream_waits_for_its_minute_but_not_too_long() -> None:
    account = Account("ada", Limits(bytes_per_minute=60_000))
    account.spend_bytes(60_010)
    began = asyncio.get_running_loop().time()
    await account.ready(60)
    assert asyncio.get_running_loop().time() - began >= 0.01
    account.spend_bytes(600_000)
    with pytest.raises(LimitExceeded, match="bytes a minute"):
        await account.ready(0.05)


async def test_no_limits_never_wait() -> None:
    account = Account("ada")
    account.spend_tokens(10**15)
    account.spend_bytes(10**15)
    account.check()
    await account.ready(0.0)

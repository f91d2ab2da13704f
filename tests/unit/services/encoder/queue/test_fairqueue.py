import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.encoder.queue.fairqueue import OLDEST_EVERY, Entry, FairQueue, Flow
from services.models.spec import TokenizedText

NONE = np.zeros(0, np.int64)
EMPTY = TokenizedText(NONE, NONE.astype(bool), NONE.astype(np.int32), NONE.astype(np.int32), False, 0)


def _entries(flow: Flow, *lengths: int, arrived: float = 0.0) -> list[Entry]:
    return [Entry(flow, n, f"{flow.client}{n}", EMPTY, length, arrived, 0) for n, length in enumerate(lengths)]


def _push(queue: FairQueue, client: str, *lengths: int, key: str = "g", budget: int = 64, arrived: float = 0.0) -> Flow:
    flow = queue.open(client)
    queue.push(key, budget, _entries(flow, *lengths, arrived=arrived))
    return flow


def _batches(queue: FairQueue, now: float = 0.0) -> list[list[Entry]]:
    batches = []
    while batch := queue.take(now):
        batches.append(batch)
    return batches


def test_an_empty_queue_gives_nothing() -> None:
    queue = FairQueue()
    assert queue.take(0.0) == []
    queue.close(queue.open("a"))
    assert queue.take(0.0) == []


def test_a_batch_holds_texts_of_like_length_within_the_budget() -> None:
    queue = FairQueue()
    _push(queue, "a", 10, 30, 10, 31, 11, 29, 10, 32, budget=64)
    assert [sorted(entry.length for entry in batch) for batch in _batches(queue)] == [
        [10, 10, 10, 11],
        [30, 31],
        [29, 32],
    ]


def test_a_text_as_long_as_the_budget_goes_alone() -> None:
    queue = FairQueue()
    _push(queue, "a", 64, 1, 64, 1, budget=64)
    assert [[entry.length for entry in batch] for batch in _batches(queue)] == [[64], [1, 1], [64]]


def test_a_newcomer_of_one_text_comes_before_a_giant_s_backlog() -> None:
    queue = FairQueue()
    _push(queue, "giant", *[30] * 1000)
    for _ in range(3):
        queue.take(0.0)
    small = _push(queue, "small", 5)
    batches = [queue.take(0.0) for _ in range(2)]
    assert any(entry.flow is small for batch in batches for entry in batch)


def test_streams_share_by_tokens_whatever_their_lengths() -> None:
    queue = FairQueue()
    flows = [_push(queue, "a", *[60] * 100), _push(queue, "b", *[6] * 1000)]
    done = {id(flow): 0 for flow in flows}
    for _ in range(60):
        for entry in queue.take(0.0):
            done[id(entry.flow)] += entry.length
    first, second = done.values()
    assert 0.7 < first / second < 1.4


def test_a_client_of_many_streams_gets_the_share_of_one() -> None:
    queue = FairQueue()
    flows = [queue.open("crowd") for _ in range(9)]
    alone = queue.open("alone")
    for flow in (*flows, alone):
        queue.push("g", 32, _entries(flow, *[32] * 200))
    batches = [queue.take(0.0) for _ in range(100)]
    assert 35 <= sum(entry.flow is alone for batch in batches for entry in batch) <= 65


def test_a_stream_that_was_idle_has_saved_up_no_turns() -> None:
    queue = FairQueue()
    idle = queue.open("idle")
    busy = _push(queue, "busy", *[32] * 400, budget=32)
    for _ in range(200):
        queue.take(0.0)
    queue.push("g", 32, _entries(idle, *[32] * 200))
    batches = [queue.take(0.0) for _ in range(100)]
    assert 40 <= sum(entry.flow is busy for batch in batches for entry in batch) <= 60


def test_groups_never_mix_and_take_turns() -> None:
    queue = FairQueue()
    _push(queue, "a", *[30] * 20, key="one")
    _push(queue, "b", *[30] * 20, key="two")
    batches = _batches(queue)
    clients = [{entry.flow.client for entry in batch} for batch in batches]
    assert all(len(each) == 1 for each in clients)
    assert {frozenset(each) for each in clients[:4]} == {frozenset("a"), frozenset("b")}


def test_an_old_text_is_not_held_back_by_newcomers_for_ever() -> None:
    queue = FairQueue(age_cap=1.0)
    first = _push(queue, "old", 60, 60, arrived=0.0)
    queue.take(0.0)  # the clock stays where the old flow began; its second text is one text behind
    taken = 0
    for number in range(10 * OLDEST_EVERY):
        _push(queue, f"new{number}", 5, 5, arrived=5.0)
        taken += 1
        if any(entry.flow is first for entry in queue.take(5.0)):
            break
    assert taken <= OLDEST_EVERY


def test_a_closed_flow_leaves_nothing_behind() -> None:
    queue = FairQueue()
    kept = _push(queue, "kept", 7, 9)
    gone = _push(queue, "gone", *range(1, 60))
    queue.take(0.0)
    left = queue.close(gone)
    assert all(entry.flow is gone and entry.group is None for entry in left)
    rest = [entry for batch in _batches(queue) for entry in batch]
    assert all(entry.flow is kept for entry in rest)
    assert (queue.texts, queue.tokens) == (0, 0)


def test_the_texts_of_a_flow_lie_side_by_side_in_order() -> None:
    queue = FairQueue()
    _push(queue, "a", *[8] * 4, budget=64)
    _push(queue, "b", *[8] * 4, budget=64)
    (batch,) = _batches(queue)
    assert [(entry.flow.client, entry.index) for entry in batch] == [(c, n) for c in "ab" for n in range(4)]


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.tuples(st.integers(0, 4), st.integers(0, 2), st.lists(st.integers(1, 64), max_size=20)), max_size=15),
    st.integers(64, 200),
    st.lists(st.booleans(), min_size=15, max_size=15),
)
def test_every_text_is_taken_once_or_dropped(
    pushes: list[tuple[int, int, list[int]]], budget: int, close: list[bool]
) -> None:
    queue = FairQueue()
    seen: list[Entry] = []
    expected = 0
    for (client, group, lengths), dropped in zip(pushes, close, strict=False):
        flow = queue.open(str(client))
        queue.push(group, budget, _entries(flow, *lengths))
        expected += len(lengths)
        seen += queue.take(0.0)
        if dropped:
            seen += queue.close(flow)
    for batch in _batches(queue):
        assert max(entry.length for entry in batch) * len(batch) <= budget
        seen += batch
    assert len(seen) == len({id(entry) for entry in seen}) == expected
    assert (queue.texts, queue.tokens) == (0, 0)


@pytest.mark.parametrize("budget", [256, 2048])
def test_news_lengths_are_padded_little(budget: int) -> None:
    lengths = np.clip(np.random.default_rng(0).lognormal(3.2, 0.6, 4000), 3, 128).astype(int)
    queue = FairQueue()
    _push(queue, "a", *lengths.tolist(), budget=budget)
    padded = sum(max(entry.length for entry in batch) * len(batch) for batch in _batches(queue))
    assert padded / lengths.sum() < 1.25


def test_closing_is_counted_by_client() -> None:
    queue = FairQueue()
    flows = [queue.open("a"), queue.open("a")]
    assert queue.close(flows[0]) == []
    queue.push("g", 10, _entries(flows[1], 5))
    assert [entry.length for entry in queue.take(0.0)] == [5]
    assert queue.close(flows[1]) == []

"""Threads side by side: order, errors, and torch's own setting left alone."""

import threading

import pytest
import torch

from services.metrics.retrieval.crew import ALONE, crew_for

CPU = torch.device("cpu")


@pytest.fixture
def three():
    before = torch.get_num_threads()
    torch.set_num_threads(3)
    yield
    torch.set_num_threads(before)


def test_parts_come_back_in_order_from_threads_of_one_core_each(three):
    with crew_for(CPU) as crew:
        assert crew.size == 3
        met = threading.Barrier(3)

        def work(item):
            met.wait(timeout=60)  # all three are at work at once
            return item, torch.get_num_threads()

        assert crew.lead(lambda: crew.map(work, range(3))) == [(0, 1), (1, 1), (2, 1)]
    assert torch.get_num_threads() == 3
    seen = []
    born = threading.Thread(target=lambda: seen.append(torch.get_num_threads()))
    born.start()
    born.join()
    assert seen == [3]


def test_the_first_error_ends_the_work(three):
    def work(item):
        if item == 2:
            raise KeyError(item)
        return item

    with crew_for(CPU) as crew, pytest.raises(KeyError, match="2"):
        crew.lead(lambda: crew.map(work, range(100)))


def test_one_core_needs_no_threads():
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        with crew_for(CPU) as crew:
            assert crew is ALONE
            thread = threading.get_ident()
            assert crew.lead(lambda: crew.map(lambda _: threading.get_ident(), range(2))) == [thread, thread]
    finally:
        torch.set_num_threads(before)
    assert ALONE.map(str, [1, 2]) == ["1", "2"]

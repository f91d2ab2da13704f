"""Worker threads compute on one core each, and leave the caller's thread alone."""

import threading
from contextlib import closing

import pytest
import torch

from services.encoder.backends.workers import Workers


def test_one_thread_each_and_all_for_a_single_item() -> None:
    before = torch.get_num_threads()
    with closing(Workers(2)) as workers:
        seen: list[int] = []
        workers.run(lambda _: seen.append(torch.get_num_threads()), [0, 1, 2])
        assert seen == [1, 1, 1]
        seen.clear()
        workers.run(lambda _: seen.append(torch.get_num_threads()), [0])
        assert seen == [2]
    assert torch.get_num_threads() == before


def test_items_run_side_by_side() -> None:
    meeting = threading.Barrier(2, timeout=30)
    with closing(Workers(2)) as workers:
        workers.run(lambda _: meeting.wait() and None, [0, 1])


def test_the_first_error_is_raised_once_all_have_ended() -> None:
    ended: list[int] = []

    def work(item: int) -> None:
        if item == 0:
            raise ValueError("first")
        ended.append(item)

    with closing(Workers(2)) as workers, pytest.raises(ValueError, match="first"):
        workers.run(work, [0, 1, 2, 3])
    assert sorted(ended) == [1, 2, 3]

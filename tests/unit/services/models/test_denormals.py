"""Libraries do not change, for the code that runs after them, what the processor does with the smallest numbers."""

import threading
from collections.abc import Callable

import pytest
import torch

from services.models.denormals import denormals_kept_as_set, flushes_denormals


def in_a_thread(work: Callable[[], list[bool]]) -> list[bool]:
    seen: list[bool] = []

    def run() -> None:
        seen.extend(work())

    thread = threading.Thread(target=run)
    thread.start()
    thread.join()
    return seen


@pytest.mark.parametrize("before", [False, True])
@pytest.mark.parametrize("within", [False, True])
def test_a_thread_gets_its_own_setting_back(before: bool, within: bool) -> None:
    def work() -> list[bool]:
        torch.set_flush_denormal(before)
        with denormals_kept_as_set():
            torch.set_flush_denormal(within)
            during = flushes_denormals()
        return [during, flushes_denormals()]

    assert in_a_thread(work) == [within, before]


def a_library_that_sets_the_thread_and_fails() -> None:
    with denormals_kept_as_set():
        torch.set_flush_denormal(True)
        raise ImportError("missing")


def test_the_setting_comes_back_after_an_error() -> None:
    def work() -> list[bool]:
        with pytest.raises(ImportError, match="missing"):
            a_library_that_sets_the_thread_and_fails()
        return [flushes_denormals()]

    assert in_a_thread(work) == [False]

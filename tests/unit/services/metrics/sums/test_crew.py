"""Work side by side: in order, stopped by the first error, with as many threads of BLAS afterwards as before."""

import subprocess
import sys
import threading

import numpy as np
import pytest
from threadpoolctl import threadpool_limits

from services.metrics.sums.accumulate import nothing
from services.metrics.sums.crew import _blas, side_by_side
from services.metrics.sums.grams import GramPair, Meetings
from services.metrics.sums.views import HeldView


def _threads() -> set[int]:
    """Those of NumPy's and SciPy's BLAS; other tests may have loaded a package with one of its own since."""
    return set(_blas()._asked())


def test_results_are_in_the_order_of_the_items_and_blas_has_one_thread_meanwhile() -> None:
    with threadpool_limits(3, user_api="blas"):
        found = side_by_side(lambda item: (item, threading.get_ident(), _threads()), range(50), nothing)
        assert [item for item, _, _ in found] == list(range(50))
        assert all(threads == {1} for _, _, threads in found)
        assert threading.get_ident() not in {ident for _, ident, _ in found}
        assert _threads() == {3}


def test_a_library_that_counts_by_thread_is_left_as_it_is_in_all_other_threads() -> None:
    pytest.importorskip("faiss")  # its wheels bring OpenBLAS on OpenMP
    script = """
import faiss, threading
from threadpoolctl import ThreadpoolController
from services.metrics.sums.accumulate import nothing
from services.metrics.sums.crew import side_by_side
controllers = ThreadpoolController().select(user_api="blas").lib_controllers
own = [each for each in controllers if each.threading_layer == "openmp"]
assert own
for each in controllers:
    each.set_num_threads(2)
meanwhile = side_by_side(lambda _: [each.num_threads for each in controllers], range(6), nothing)
assert all(each == [1] * len(controllers) for each in meanwhile), meanwhile
inside, release = threading.Barrier(3), threading.Event()
crew = threading.Thread(target=side_by_side, args=(lambda _: (inside.wait(30), release.wait(30)), range(2), nothing))
crew.start()
inside.wait(30)
assert [each.num_threads for each in own] == [2] * len(own)
release.set()
crew.join()
assert [each.num_threads for each in controllers] == [2] * len(controllers)
"""
    subprocess.run([sys.executable, "-c", script], check=True, timeout=120)


def test_with_one_core_all_is_done_by_the_caller() -> None:
    with threadpool_limits(1, user_api="blas"):
        assert set(side_by_side(lambda _: threading.get_ident(), range(3), nothing)) == {threading.get_ident()}


def test_crews_at_once_give_back_what_was_set_before_the_first() -> None:
    with threadpool_limits(2, user_api="blas"):
        inside, release = threading.Barrier(3), threading.Event()

        def wait(_: int) -> None:
            inside.wait(30)
            release.wait(30)

        first = threading.Thread(target=side_by_side, args=(wait, range(2), nothing))
        first.start()
        inside.wait(30)
        assert side_by_side(lambda item: item, range(4), nothing) == [0, 1, 2, 3]
        assert _threads() == {1}
        release.set()
        first.join()
        assert _threads() == {2}


@pytest.mark.parametrize("by", ["work", "check"])
def test_an_error_ends_the_work(by: str) -> None:
    begun: list[int] = []

    def check() -> None:
        if by == "check" and len(begun) > 5:
            raise TimeoutError

    def work(item: int) -> None:
        begun.append(item)
        if by == "work" and item == 5:
            raise TimeoutError

    with threadpool_limits(2, user_api="blas"):
        with pytest.raises(TimeoutError):
            side_by_side(work, range(10_000), check)
        assert len(begun) < 5_000
        assert _threads() == {2}


@pytest.mark.parametrize("pairs", ["all", "same", "two ways", "one with all"])
@pytest.mark.parametrize("threads", [1, 2])
def test_pairs_that_are_made_together_are_those_made_one_by_one(pairs: str, threads: int) -> None:
    rng = np.random.default_rng(0)
    views = {node: HeldView(rng.standard_normal((150, 20 + node))) for node in range(6)}
    wanted = {
        "all": [(a, b) for a in range(3) for b in range(3, 6)],
        "same": [(node, node + 3) for node in range(3)],
        "two ways": [(0, 3), (3, 0), (1, 1)],
        "one with all": [(0, node) for node in range(6)],
    }[pairs]
    with threadpool_limits(threads, user_api="blas"):
        meetings = Meetings({node: views[node] for pair in wanted for node in pair}, wanted, nothing)
        for a, b in wanted:
            together, alone = meetings.of((a, b)), GramPair(views[a], views[b])._meet()
            for name in ("xy", "xl", "yk"):
                np.testing.assert_allclose(getattr(together, name), getattr(alone, name), rtol=1e-11, atol=1e-9)

"""Work on several matrices side by side, each in a thread with one core of BLAS.

What lies between products (centring, sums over rows, transposing) runs on one core whatever BLAS does, and products of
a thousand rows are too small to be shared out without loss. Side by side all of it uses all cores.
"""

import contextlib
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import lru_cache
from typing import Any, Final, TypeVar

from threadpoolctl import OpenBLASController, ThreadpoolController

Item = TypeVar("Item")
Found = TypeVar("Found")

_MOST: Final = 16
"""Threads, at most: each holds a matrix or two that it works on."""


class _Blas:
    """The BLAS libraries of the process, all with one thread while any crew is at work.

    OpenBLAS built on OpenMP (that of faiss, for one) keeps a number for each thread that calls it: only a crew's own
    threads set it.
    """

    def __init__(self) -> None:
        found: list[Any] = ThreadpoolController().select(user_api="blas").lib_controllers
        self._by_thread = [library for library in found if _openmp(library)]
        self._libraries = [library for library in found if not _openmp(library)]
        self._threads = [library.num_threads for library in self._libraries]
        self._lock = threading.Lock()
        self._crews = 0

    @property
    def threads(self) -> int:
        """Cores that products may use."""
        with self._lock:
            shared = self._threads if self._crews else self._asked()
            return max([*shared, *(library.num_threads for library in self._by_thread)], default=1)

    def begin_thread(self) -> None:
        """What a thread of a crew calls first."""
        _set(self._by_thread, [1] * len(self._by_thread))

    @contextlib.contextmanager
    def single(self) -> Iterator[None]:
        """One thread each; the last crew to end gives back what was set before the first one."""
        with self._lock:
            if not self._crews:
                self._threads = self._asked()
                _set(self._libraries, [1] * len(self._libraries))
            self._crews += 1
        try:
            yield
        finally:
            with self._lock:
                self._crews -= 1
                if not self._crews:
                    _set(self._libraries, self._threads)

    def _asked(self) -> list[int]:
        return [library.num_threads for library in self._libraries]


def _openmp(library: Any) -> bool:
    return isinstance(library, OpenBLASController) and library.threading_layer == "openmp"


def _set(libraries: Sequence[Any], threads: Sequence[int]) -> None:
    for library, number in zip(libraries, threads, strict=True):
        # The package lets one thread of a process set OpenBLAS's number; here the lock says whose turn it is.
        if isinstance(library, OpenBLASController):
            library.clear_controlling_thread(force=True)
        library.set_num_threads(number)
        if isinstance(library, OpenBLASController):
            library.clear_controlling_thread()


_making: Final = threading.Lock()


@lru_cache(maxsize=1)
def _made() -> _Blas:
    return _Blas()


def _blas() -> _Blas:
    """The one of this process, whoever asks first: two would give back what the other one has set."""
    with _making:
        return _made()


def side_by_side(work: Callable[[Item], Found], items: Iterable[Item], check: Callable[[], None]) -> list[Found]:
    """What some work gives for each item, in the order of the items; by as many threads as BLAS has.

    Args:
        work: Called once an item.
        items: Independent of each other.
        check: Called before each item; raises to stop the work.

    Returns:
        One result an item. The first error ends the work: items that have not begun are left out.
    """
    items = list(items)
    size = min(_blas().threads, len(items), _MOST)
    failed = threading.Event()

    def one(item: Item) -> Found:
        try:
            if failed.is_set():
                raise _LeftOut
            check()
            return work(item)
        except BaseException:
            failed.set()
            raise

    if size < 2:
        return [one(item) for item in items]
    with _blas().single(), _pool(size) as pool:
        pending = [pool.submit(one, item) for item in items]
    errors = [error for error in (future.exception() for future in pending) if error is not None]
    for error in errors:
        if not isinstance(error, _LeftOut):
            raise error
    return [future.result() for future in pending]


def _pool(size: int) -> ThreadPoolExecutor:
    return ThreadPoolExecutor(size, thread_name_prefix="sums", initializer=_blas().begin_thread)


class _LeftOut(Exception):
    """An item that was not begun, because another one failed."""

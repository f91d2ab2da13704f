"""Fixtures that every kind of test shares."""

import gc
import os

# Workers that run side by side, and the servers that they start, share the cores: two of them with a thread a core each
# are many times slower than with one. This must be set before torch or NumPy is imported.
if workers := int(os.environ.get("PYTEST_XDIST_WORKER_COUNT", "0")):
    os.environ.setdefault("OMP_NUM_THREADS", str(max(1, len(os.sched_getaffinity(0)) // workers)))
# Where a test wants two threads, one that waits for the other would spin on a core that the other needs: twenty seconds
# instead of one, where as many other processes run.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
# Some tests import ONNX Runtime themselves: see `services/encoder/graphs/installed.py`.
os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")

from collections.abc import Callable, Generator, Iterator
from pathlib import Path

import pytest
from hypothesis import settings

# A shared or loaded machine is slow at times; no test holds times.
settings.register_profile("house", deadline=None)
settings.load_profile("house")

ROOT = Path(__file__).resolve().parents[1]


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Generator[None, object, object]:
    """Collects tests without looking for garbage: all that is loaded stays, and each look would go through all of it.

    Nor is it gone through in the tests: that would be most of the time of a full look.
    """
    gc.disable()
    try:
        return (yield)
    finally:
        gc.freeze()
        gc.enable()


@pytest.fixture(autouse=True)
def denormals_are_kept() -> Iterator[None]:
    """Fails a test after which this thread treats denormal numbers as 0, which some libraries set for their caller."""
    yield
    smallest = 5e-324
    assert smallest + 0.0 > 0.0, "a library has set this thread to treat denormal numbers as 0"


@pytest.fixture(scope="session")
def shared_data() -> Callable[[str], Path]:
    """Finds a file of the shared data sets, or skips the test and names the file."""
    folder = Path(os.environ.get("BABELSCOPE_SHARED_DATA", ROOT.parent / "shared" / "data"))

    def find(name: str) -> Path:
        path = folder / name
        if not path.exists():
            pytest.skip(f"shared data not found: {name}")
        return path

    return find

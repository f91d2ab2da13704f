"""A store that is full or may not be written to: a typed refusal, and nothing half-written appears."""

import subprocess
import sys
import textwrap
from collections.abc import Iterator
from pathlib import Path

import pytest

from services.runtime.errors import FailedPrecondition, LimitExceeded
from services.runtime.files.store import Store

MEGABYTE = 1 << 20


def _write_in_pieces(store: Store) -> None:
    with store.create("datasets") as writer:
        for _ in range(100):
            writer.write(b"x" * 30_000)


@pytest.fixture
def small(tmp_path: Path) -> Iterator[Path]:
    """A file system of one megabyte."""
    folder = tmp_path / "small"
    folder.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", str(folder)], capture_output=True)
    if mounted.returncode:
        pytest.skip("mounting a file system needs root")
    yield folder
    subprocess.run(["umount", "-l", str(folder)], check=True)


def test_a_full_file_system_is_a_limit(small: Path) -> None:
    store = Store(str(small))
    kept = store.put("datasets", b"kept")
    with pytest.raises(LimitExceeded, match="room in the store"):
        store.put("datasets", bytes(2 * MEGABYTE))
    with pytest.raises(LimitExceeded):
        _write_in_pieces(store)
    assert store.list() == [kept]
    assert store.get(kept) == b"kept"
    assert not list((small / ".tmp").iterdir())


def test_a_read_only_file_system_is_a_failed_precondition(small: Path) -> None:
    store = Store(str(small))
    kept = store.put("datasets", b"kept")
    subprocess.run(["mount", "-o", "remount,ro", str(small)], check=True)
    with pytest.raises(FailedPrecondition, match="read-only"):
        store.put("datasets", b"more")
    with pytest.raises(FailedPrecondition, match="read-only"):
        store.delete(kept)
    assert store.get(kept) == b"kept"


@pytest.mark.parametrize("size", [150_000, 20_000_000])
def test_a_file_that_may_not_grow_is_a_limit(tmp_path: Path, size: int) -> None:
    script = textwrap.dedent("""
        import resource, signal, sys
        from services.runtime.errors import LimitExceeded
        from services.runtime.files.store import Store
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))
        store = Store(sys.argv[1])
        try:
            with store.create("datasets") as writer:
                for _ in range(int(sys.argv[2]) // 100):
                    writer.write(bytes(100))
        except LimitExceeded as error:
            print(error.subject)
        print(store.list())
    """)
    ran = subprocess.run(
        [sys.executable, "-c", script, str(tmp_path), str(size)], capture_output=True, text=True, check=True
    )
    assert ran.stdout == "store\n[]\n"
    assert not list((tmp_path / ".tmp").iterdir())


def test_a_file_in_the_place_of_the_store_is_a_failed_precondition(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    with pytest.raises((FailedPrecondition, LimitExceeded)):
        Store(str(tmp_path / "file" / "store")).put("datasets", b"x")
    assert [path.name for path in tmp_path.iterdir()] == ["file"]

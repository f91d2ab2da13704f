"""What is being written belongs to its writer, however that one ends."""

import os
import subprocess
import sys
import textwrap
import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

import pytest
from babelscope.data import atomic

KINDS = pytest.mark.parametrize("make", [atomic.partial_file, atomic.partial_folder])
Make = Callable[[Path, str], AbstractContextManager[Path]]

WRITER = textwrap.dedent(
    """
    import sys
    from pathlib import Path
    from babelscope.data import atomic

    folder = Path(sys.argv[1])
    (folder / "named").mkdir(exist_ok=True)
    with atomic.partial_file(folder, "a") as file, atomic.partial_folder(folder, "b") as made:
        with atomic.owned(folder / "named"):
            file.write_text("half")
            (made / "rows").write_text("half")
            print("writing", flush=True)
            sys.stdin.read()
    """
)


@contextmanager
def writer(folder: Path) -> Iterator[subprocess.Popen[str]]:
    """Another process that writes, until it is killed."""
    process = subprocess.Popen(
        [sys.executable, "-c", WRITER, str(folder)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "writing\n"
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


def test_only_what_no_live_process_owns_is_swept(tmp_path: Path) -> None:
    with writer(tmp_path) as killed, writer(tmp_path):
        (tmp_path / "result").write_text("whole")
        (tmp_path / ".hidden.0123abcd.partial").write_text("another program's")
        assert atomic.sweep(tmp_path) == 0
        assert not atomic.remove_unowned(tmp_path / "named")
        killed.kill()
        killed.communicate()
        assert atomic.sweep(tmp_path) == 2
        assert len(list(tmp_path.glob("*.babelscope-partial"))) == 2
    assert atomic.sweep(tmp_path) == 2
    assert atomic.remove_unowned(tmp_path / "named")
    assert sorted(path.name for path in tmp_path.iterdir()) == [".hidden.0123abcd.partial", "result"]


@KINDS
def test_a_thread_of_the_same_process_is_no_reason_to_sweep(make: Make, tmp_path: Path) -> None:
    with make(tmp_path, "a") as path:
        assert atomic.sweep(tmp_path) == 0
        assert path.exists()
    assert not list(tmp_path.iterdir())


@KINDS
def test_what_was_renamed_stays(make: Make, tmp_path: Path) -> None:
    with make(tmp_path, "a") as path:
        path.rename(tmp_path / "a")
    assert (tmp_path / "a").exists()


@KINDS
@pytest.mark.parametrize("label", ["é" * 127, "a" * 255, "", "a\nb"])
def test_every_name_of_a_file_can_be_a_label(make: Make, label: str, tmp_path: Path) -> None:
    with make(tmp_path, label) as path:
        assert len(os.fsencode(path.name)) <= 255
    path.touch()
    assert atomic.sweep(tmp_path) == 1


@KINDS
def test_a_writer_that_was_swept_before_its_lock_begins_again(
    make: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real, swept = atomic._lock, []

    def lock(number: int, path: Path) -> bool:
        if not swept:
            swept.append(atomic.sweep(tmp_path))
        return real(number, path)

    monkeypatch.setattr(atomic, "_lock", lock)
    with make(tmp_path, "a") as path:
        assert path.exists()
    assert swept == [1]


@KINDS
def test_writers_and_sweepers_at_once_lose_nothing(make: Make, tmp_path: Path) -> None:
    over = threading.Event()

    def sweep() -> None:
        while not over.is_set():
            atomic.sweep(tmp_path)

    sweepers = [threading.Thread(target=sweep) for _ in range(2)]
    for thread in sweepers:
        thread.start()
    try:
        for number in range(200):
            with make(tmp_path, "a") as path:
                path.rename(tmp_path / str(number))
    finally:
        over.set()
        for thread in sweepers:
            thread.join()
    assert len(list(tmp_path.iterdir())) == 200


def test_links_are_not_followed(tmp_path: Path) -> None:
    other = tmp_path / "other"
    other.mkdir()
    (other / "file").touch()
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder" / ".a.0123abcd.babelscope-partial").symlink_to(other)
    assert atomic.sweep(tmp_path / "folder") == 0
    assert (other / "file").exists()


def test_a_folder_that_is_not_there_has_nothing(tmp_path: Path) -> None:
    assert atomic.sweep(tmp_path / "none") == 0


def test_without_locks_nothing_is_swept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(atomic, "fcntl", None)
    with atomic.partial_file(tmp_path, "a") as path:
        path.rename(tmp_path / ".a.0123abcd.babelscope-partial")
    assert atomic.sweep(tmp_path) == 0

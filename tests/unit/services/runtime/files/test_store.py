"""The store in a folder: whole or not at all, checked when read."""

import hashlib
import io
import os
import signal
import subprocess
import sys
import threading
import tracemalloc
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.runtime.errors import DataLoss, FailedPrecondition, InvalidArgument, LimitExceeded, NotFound
from services.runtime.files.store import Store, digest_of

ROOT = Path(__file__).resolve().parents[5]
KINDS = st.sampled_from(["datasets", "activations", "maps"])


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(str(tmp_path / "store"))


@pytest.fixture
def file_of(store: Store) -> Callable[[str], Path]:
    """The file that holds an object."""

    def find(name: str) -> Path:
        [path] = Path(store.url).rglob(name.split("/")[1])
        return path

    return find


@settings(deadline=None)
@given(st.lists(st.tuples(KINDS, st.binary(max_size=2000)), max_size=20))
def test_what_is_put_is_got(objects: list[tuple[str, bytes]]) -> None:
    with TemporaryDirectory() as folder:
        store = Store(folder)
        names = [store.put(kind, data) for kind, data in objects]
        assert [store.get(name) for name in names] == [data for _, data in objects]
        assert store.list() == sorted(set(names))
        for kind in ("datasets", "activations", "maps"):
            assert store.list(f"{kind}/") == sorted({name for name in names if name.startswith(kind)})
        for name, (kind, data) in zip(names, objects, strict=True):
            assert name == f"{kind}/{hashlib.sha256(data).hexdigest()}"
            assert store.size(name) == len(data)
            with store.open(name) as file:
                assert file.read() == data


@settings(deadline=None)
@given(st.binary(min_size=1, max_size=300), st.data())
def test_a_flipped_bit_is_found(data: bytes, draw: st.DataObject) -> None:
    position = draw.draw(st.integers(0, 8 * len(data) - 1))
    with TemporaryDirectory() as folder:
        store = Store(folder)
        name = store.put("maps", data)
        [path] = Path(folder).rglob(digest_of(name))
        damaged = bytearray(data)
        damaged[position // 8] ^= 1 << position % 8
        path.write_bytes(damaged)
        with pytest.raises(DataLoss, match="damaged or cut short"):
            store.get(name)
        with pytest.raises(DataLoss), store.open(name):
            pytest.fail("served")
        # Putting the same bytes again mends the object.
        assert store.put("maps", data) == name
        assert store.get(name) == data


@settings(deadline=None)
@given(st.binary(min_size=1, max_size=300), st.data())
def test_an_object_cut_short_or_grown_is_found(data: bytes, draw: st.DataObject) -> None:
    with TemporaryDirectory() as folder:
        store = Store(folder)
        name = store.put("maps", data)
        [path] = Path(folder).rglob(digest_of(name))
        for damaged in (data[: draw.draw(st.integers(0, len(data) - 1))], data + b"\0"):
            path.write_bytes(damaged)
            with pytest.raises(DataLoss):
                store.get(name)


def test_every_form_of_data_has_the_same_name(store: Store, tmp_path: Path) -> None:
    data = os.urandom(3 << 20)
    (tmp_path / "file").write_bytes(data)
    forms = (data, bytearray(data), memoryview(data), tmp_path / "file", io.BytesIO(data))
    assert len({store.put("maps", form) for form in forms}) == 1
    with store.create("maps") as writer:
        for start in range(0, len(data), 1000):
            writer.write(data[start : start + 1000])
    assert store.list() == [writer.name]
    assert (tmp_path / "file").exists()


def test_a_suffix_is_part_of_the_name(store: Store) -> None:
    name = store.put("maps", b"x", suffix=".safetensors")
    assert name.endswith(".safetensors")
    assert store.get(name) == b"x"
    assert store.list("maps/") == [name]


def test_random_access(store: Store) -> None:
    name = store.put("maps", b"0123456789")
    with store.open(name) as file:
        file.seek(7)
        assert file.read(2) == b"78"


def test_a_writer_that_fails_leaves_nothing(store: Store) -> None:
    def write() -> None:
        with store.create("maps") as writer:
            writer.write(b"half")
            raise KeyError("the caller's own")

    with pytest.raises(KeyError):
        write()
    assert not [path for path in Path(store.url).rglob("*") if path.is_file()]


def test_what_does_not_exist(store: Store) -> None:
    name = "maps/" + "0" * 64
    assert not store.exists(name)
    assert store.size(name) is None
    assert store.list() == []
    store.delete(name)
    with pytest.raises(NotFound, match=name):
        store.get(name)
    with pytest.raises(NotFound), store.open(name):
        pytest.fail("served")
    kept = store.put("maps", b"x")
    store.delete(kept)
    assert not store.exists(kept)


@pytest.mark.parametrize(
    "name",
    [
        "",
        "maps",
        "maps/abc",
        "../maps/" + "0" * 64,
        "maps/../" + "0" * 64,
        "/etc/" + "0" * 64,
        "Maps/" + "0" * 64,
        "maps/" + "0" * 64 + "/..",
        "maps/" + "0" * 64 + ".a/b",
        "maps/" + "0" * 64 + "\n",
        ".tmp/" + "0" * 64,
        "maps/" + "0" * 63 + "G",
    ],
)
def test_a_name_that_is_none_is_refused(name: str, store: Store) -> None:
    for method in (store.get, store.exists, store.delete, digest_of):
        with pytest.raises(InvalidArgument):
            method(name)


@pytest.mark.parametrize(
    ("kind", "suffix"), [("", ""), ("..", ""), ("a/b", ""), ("A", ""), ("maps", "x"), ("maps", "./x")]
)
def test_a_kind_or_suffix_that_is_none_is_refused(kind: str, suffix: str, store: Store) -> None:
    with pytest.raises(InvalidArgument):
        store.put(kind, b"x", suffix=suffix)


def test_what_others_put_there_is_left_out_of_lists(store: Store) -> None:
    name = store.put("maps", b"x")
    root = Path(store.url)
    for other in ("README", "maps/notes.txt", "maps/ab/short", ".tmp/left", f"maps/{'0' * 64}"):
        (root / other).parent.mkdir(parents=True, exist_ok=True)
        (root / other).touch()
    assert store.list() == [name]
    assert store.list(name[:12]) == [name]
    assert store.list("nothing/") == []
    assert store.list("../") == []


def test_writers_of_the_same_and_of_other_objects_at_once(store: Store) -> None:
    contents = [bytes([number % 5]) * 300_000 for number in range(40)]
    readers_see: list[int] = []
    stop = threading.Event()

    def read() -> None:
        while not stop.is_set():
            for name in store.list():
                readers_see.append(len(store.get(name)))

    reader = threading.Thread(target=read)
    reader.start()
    with ThreadPoolExecutor(8) as pool:
        names = list(pool.map(lambda data: store.put("maps", data), contents))
    stop.set()
    reader.join()
    assert len(set(names)) == 5
    assert set(readers_see) <= {300_000}
    assert [store.get(name) for name in names] == contents
    assert not list((Path(store.url) / ".tmp").iterdir())


def test_large_objects_need_little_memory(store: Store, tmp_path: Path) -> None:
    large = tmp_path / "large"
    with large.open("wb") as file:
        for number in range(64):
            file.write(bytes([number]) * (1 << 20))
    tracemalloc.start()
    name = store.put("maps", large)
    with store.open(name) as file:
        while file.read(1 << 20):
            pass
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 8 << 20
    assert store.size(name) == 64 << 20


KILLED = """
import sys
from services.runtime.files.store import Store
store = Store(sys.argv[1])
with store.create("maps") as writer:
    for _ in range(1000):
        writer.write(bytes(1 << 16))
    print("writing", flush=True)
    sys.stdin.read()
"""


@pytest.fixture
def killed_writer(store: Store) -> None:
    """A process that was killed with an object half written."""
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join((str(ROOT), str(ROOT / "clients")))}
    process = subprocess.Popen(
        [sys.executable, "-c", KILLED, store.url],
        env=environment,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    assert process.stdout is not None
    assert process.stdin is not None
    assert process.stdout.readline() == b"writing\n"
    process.send_signal(signal.SIGKILL)
    process.wait()
    process.stdout.close()
    process.stdin.close()


@pytest.mark.usefixtures("killed_writer")
def test_a_killed_writer_leaves_no_object_and_its_rest_is_swept(store: Store) -> None:
    left = Path(store.url) / ".tmp"
    assert store.list() == []
    assert len(list(left.iterdir())) == 1
    with store.create("maps") as writer:
        writer.write(b"x")
        assert store.sweep() == 1  # and not this writer's
    assert not list(left.iterdir())
    assert store.sweep() == 0
    assert store.get(writer.name) == b"x"


def test_a_crash_before_the_rename_leaves_no_object(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    def crash(*_: object) -> None:
        raise OSError(5, "Input/output error")

    monkeypatch.setattr(os, "fsync", crash)
    with pytest.raises(Exception, match="cannot be reached"):
        store.put("maps", b"x")
    assert store.list() == []


def test_a_full_disk_is_a_limit(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(LimitExceeded, match="full"):
        store.put("maps", b"x")


def test_a_folder_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(FailedPrecondition, match="store"):
        Store(str(tmp_path / "file")).probe()


def test_objects_are_as_readable_as_other_files(store: Store, file_of: Callable[[str], Path]) -> None:
    """A temporary file of the `tempfile` module would be private, and a team's store with it."""
    before = os.umask(0o022)
    try:
        assert file_of(store.put("maps", b"x")).stat().st_mode & 0o777 == 0o644
    finally:
        os.umask(before)


def test_probe(store: Store) -> None:
    store.probe()
    assert store.list() == []


def test_an_unknown_scheme_is_refused() -> None:
    with pytest.raises(FailedPrecondition, match="store_url"):
        Store("nosuch://bucket")


def test_a_file_url_is_a_folder(tmp_path: Path) -> None:
    name = Store(f"file://{tmp_path}").put("maps", b"x")
    assert Store(str(tmp_path)).get(name) == b"x"


@pytest.mark.parametrize("place", ["folder", "memory"])
def test_states_of_a_kind_have_size_and_time_and_use_renews_that_of_a_file(tmp_path: Path, place: str) -> None:
    store = Store(str(tmp_path / "store") if place == "folder" else f"memory://{tmp_path.name}")
    name = store.put("rows", b"12345", suffix=".safetensors")
    store.put("maps", b"another kind")
    [state] = store.states("rows")
    assert (state.name, state.bytes) == (name, 5)
    assert state.used > 0
    assert store.states("absent") == ()
    if place == "folder":
        [path] = tmp_path.rglob(digest_of(name) + ".safetensors")
        os.utime(path, (1.0, 1.0))
        assert [each.used for each in store.states("rows")] == [1.0]
    store.touch(name)
    store.touch(f"rows/{'0' * 64}")
    [after] = store.states("rows")
    assert after.used >= state.used - 1


@pytest.mark.parametrize("make", [os.mkfifo, os.mkdir])
def test_what_is_no_file_is_damage_and_keeps_no_reader(make: Callable[[Path], None], tmp_path: Path) -> None:
    store = Store(str(tmp_path / "store"))
    name = store.put("blobs", b"content")
    (path,) = (found for found in (tmp_path / "store").rglob("*") if found.is_file())
    path.unlink()
    make(path)
    with pytest.raises(DataLoss, match="something else has its name"):
        store.get(name)
    with pytest.raises(DataLoss, match="something else has its name"), store.open(name):
        pass

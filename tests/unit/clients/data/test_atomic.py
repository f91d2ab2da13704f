"""Results are written whole or not at all."""

import stat
from pathlib import Path

import pytest
from babelscope.data.atomic import whole, write_atomically

ROOT = Path(__file__).resolve().parents[4]


def test_a_file_takes_its_name_when_all_is_written(tmp_path: Path) -> None:
    path = tmp_path / "a.bin"
    with whole(path) as file:
        file.write(b"all")
        assert not path.exists()
    assert path.read_bytes() == b"all"
    assert list(tmp_path.iterdir()) == [path]


def test_after_an_error_the_file_before_it_stays(tmp_path: Path) -> None:
    path = tmp_path / "a.bin"
    path.write_bytes(b"before")

    def fail() -> None:
        with whole(path) as file:
            file.write(b"half")
            raise RuntimeError("on the way")

    with pytest.raises(RuntimeError):
        fail()
    assert path.read_bytes() == b"before"
    assert list(tmp_path.iterdir()) == [path]


def test_two_writers_of_one_name_do_not_mix(tmp_path: Path) -> None:
    path = tmp_path / "a.bin"
    with whole(path) as one, whole(path) as other:
        one.write(b"one")
        other.write(b"another")
    assert path.read_bytes() == b"one"
    assert list(tmp_path.iterdir()) == [path]


def test_text_is_written_as_it_is_into_folders_that_are_made(tmp_path: Path) -> None:
    path = tmp_path / "deep" / "down" / "a.txt"
    write_atomically(path, "天\r\nb\n")
    assert path.read_bytes() == "天\r\nb\n".encode()


def test_the_mode_is_that_of_any_new_file(tmp_path: Path) -> None:
    plain = tmp_path / "plain"
    plain.touch()
    write_atomically(tmp_path / "a.txt", "x")
    assert stat.S_IMODE((tmp_path / "a.txt").stat().st_mode) == stat.S_IMODE(plain.stat().st_mode)


def test_no_other_module_of_the_client_writes_files() -> None:
    writing = (".write_text(", ".write_bytes(", '.open("w', '.open("x', ".savefig(path")
    sources = (ROOT / "clients" / "babelscope").rglob("*.py")
    found = {str(path.relative_to(ROOT)) for path in sources if any(each in path.read_text() for each in writing)}
    assert found == {"clients/babelscope/data/atomic.py"}


def test_what_a_killed_writer_left_is_swept_at_the_first_write(tmp_path: Path) -> None:
    left = tmp_path / ".results.csv.0123abcd.babelscope-partial"
    left.write_text("half")
    other = tmp_path / ".notes.0123abcd.partial"
    other.write_text("another program's")
    write_atomically(tmp_path / "a.txt", "x")
    assert not left.exists()
    assert other.exists()

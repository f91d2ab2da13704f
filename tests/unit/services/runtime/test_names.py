"""Names of clients: none leads out of a folder, and none is one that a file system chokes on."""

import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.runtime.errors import InvalidArgument
from services.runtime.names import check_name, problem_of, read_bounded


@pytest.mark.parametrize(
    ("name", "problem"),
    [
        ("", "empty"),
        ("/dev/zero", "absolute"),
        ("a/../b", r"`\.\.`"),
        ("..", r"`\.\.`"),
        ("./a", r"`\.`"),
        ("a//b", "empty"),
        ("a/", "empty"),
        ("a\0b", "cannot be printed"),
        ("a\nb", "cannot be printed"),
        ("a\u202eb", "cannot be printed"),
        ("a\\b", "backslash"),
        ("a\ud800b", "surrogate"),
        ("x" * 256, "256 bytes, and the limit is 255"),
        ("é" * 128, "256 bytes, and the limit is 255"),
        ("/".join(["x" * 200] * 6), "1205 bytes, and the limit is 1024"),
    ],
)
def test_names_that_are_refused(name: str, problem: str) -> None:
    with pytest.raises(InvalidArgument, match=f"^spec.model.name: Expected a folder, but got .*{problem}") as caught:
        check_name(name, "spec.model.name", "a folder")
    assert caught.value.field == "spec.model.name"
    assert str(caught.value).isascii()
    assert len(str(caught.value)) < 1200


@pytest.mark.parametrize("name", ["a", "org/name", "..a", "a..b/c.d", "модель", "x" * 255, "refs/pr/1", "a b"])
def test_names_that_pass(name: str) -> None:
    assert check_name(name, "name", "a name") == name


@given(st.text(st.characters(codec=None), max_size=300))
def test_a_name_that_passes_stays_in_its_folder(tmp_path_factory: pytest.TempPathFactory, name: str) -> None:
    if problem_of(name):
        return
    root = tmp_path_factory.getbasetemp()
    path = root / name
    assert path.resolve().is_relative_to(root.resolve())
    assert not path.exists()  # and the system takes it: no ValueError, no OSError
    assert path.relative_to(root).as_posix() == name


def test_a_file_is_read_up_to_its_limit(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"12345")
    assert read_bounded(tmp_path / "a", 5) == b"12345"
    with pytest.raises(OSError, match="at most 4 bytes"):
        read_bounded(tmp_path / "a", 4)


def test_what_is_no_regular_file_is_not_read(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "device").symlink_to("/dev/zero")
    (tmp_path / "folder").mkdir()
    for name in ("pipe", "device", "folder"):
        with pytest.raises(OSError, match=r"regular file|directory"):
            read_bounded(tmp_path / name, 100)

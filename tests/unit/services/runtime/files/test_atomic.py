import os
from pathlib import Path

import pytest

from services.runtime.files import atomic


def test_a_file_is_flushed_before_its_name_appears(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made, place = tmp_path / "tmp", tmp_path / "ab" / "object"
    made.write_bytes(b"bytes")
    seen: list[tuple[bool, str]] = []
    real = os.fsync

    def fsync(number: int) -> None:
        seen.append((place.exists(), str(Path(f"/proc/self/fd/{number}").readlink())))
        real(number)

    monkeypatch.setattr(os, "fsync", fsync)
    atomic.publish(made, place)
    assert seen == [(False, str(made)), (True, str(place.parent))]
    assert place.read_bytes() == b"bytes"
    assert not made.exists()


def test_the_first_of_two_folders_keeps_the_place(tmp_path: Path) -> None:
    place = tmp_path / "key"
    for number in (1, 2):
        made = tmp_path / f"tmp-{number}"
        made.mkdir()
        (made / "rows").write_text(str(number))
        assert atomic.publish_folder(made, place) is (number == 1)
    assert (place / "rows").read_text() == "1"
    assert (tmp_path / "tmp-2" / "rows").exists()


def test_a_folder_that_cannot_get_its_place_raises(tmp_path: Path) -> None:
    made = tmp_path / "tmp"
    made.mkdir()
    with pytest.raises(FileNotFoundError):
        atomic.publish_folder(made, tmp_path / "missing" / "key")
    assert made.exists()

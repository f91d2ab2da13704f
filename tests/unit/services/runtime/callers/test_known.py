"""Who is known, and how that changes while a server runs."""

import logging
import os
import resource
from pathlib import Path

import pytest

from services.runtime.callers.accounts import Limits
from services.runtime.callers.files import CallersError
from services.runtime.callers.known import Callers
from services.runtime.errors import Unauthenticated


def _write(path: Path, text: str) -> None:
    """A change that no clock is too coarse to see: another file in the place of the first."""
    other = path.with_suffix(".new")
    other.write_text(text)
    other.replace(path)


def test_tokens_are_replaced_without_a_restart(tmp_path: Path) -> None:
    path = tmp_path / "callers.toml"
    _write(path, "[ada]\ntoken = 'old'\nstreams = 2\n[bob]\ntoken = 'b'\n")
    callers = Callers("single", path)
    ada = callers.identify("old")
    ada.spend_tokens(7)
    assert not callers.refresh()
    _write(path, "[ada]\ntoken = ['old', 'new']\nstreams = 3\n")
    assert callers.refresh()
    assert callers.identify("new") is callers.identify("old") is ada
    assert (ada.limits, ada.spent_tokens) == (Limits(streams=3), 7)
    _write(path, "[ada]\ntoken = 'new'\n")
    assert callers.refresh()
    for gone in ("old", "b", ""):
        with pytest.raises(Unauthenticated):
            callers.identify(gone)
    assert callers.identify("single").name == "unnamed"
    assert [account.name for account in callers.accounts] == ["unnamed", "ada"]


@pytest.mark.parametrize("broken", ["[ada", "[ada]\ntoken = 1", None])
def test_a_broken_file_leaves_all_as_it_was(
    broken: str | None, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = tmp_path / "callers.toml"
    _write(path, "[ada]\ntoken = 'secret'\n")
    callers = Callers(None, path)
    if broken is None:
        path.unlink()
    else:
        _write(path, broken)
    with caplog.at_level(logging.WARNING):
        assert not callers.refresh()
        assert not callers.refresh()
    assert [record.getMessage() for record in caplog.records] == ["callers not read anew"]
    assert callers.identify("secret").name == "ada"


def test_a_server_without_tokens_knows_everybody(tmp_path: Path) -> None:
    callers = Callers()
    assert callers.open
    assert not callers.refresh()
    assert [account.name for account in callers.accounts] == ["anonymous"]
    empty = tmp_path / "none"
    empty.mkdir()
    assert not Callers(None, empty).open
    with pytest.raises(CallersError):
        Callers(None, tmp_path / "nowhere.toml")


def test_a_change_that_leaves_size_and_time_is_seen(tmp_path: Path) -> None:
    path = tmp_path / "callers.toml"
    _write(path, '[ada]\ntoken = "old"\n')
    state = path.stat()
    callers = Callers(path=path)
    with path.open("r+") as file:  # in place, as a copy does that keeps times
        file.write('[ada]\ntoken = "new"\n')
    os.utime(path, ns=(state.st_atime_ns, state.st_mtime_ns))
    assert callers.refresh()
    assert callers.identify("new").name == "ada"
    with pytest.raises(Unauthenticated):
        callers.identify("old")


def test_what_could_not_be_read_is_read_once_it_can_be(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    path = tmp_path / "callers.toml"
    _write(path, "[ada]\ntoken = 'old'\n")
    callers = Callers(path=path)
    _write(path, "[ada]\ntoken = 'new'\n")
    limits = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (3, limits[1]))  # no file can be opened, though all can be looked at
    try:
        assert not callers.refresh()
        assert not callers.refresh()
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, limits)
    assert [record.getMessage() for record in caplog.records] == ["callers not read anew"]
    assert callers.refresh()
    assert callers.identify("new").name == "ada"

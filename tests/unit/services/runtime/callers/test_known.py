"""Who is known, and how that changes while a server runs."""

import logging
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

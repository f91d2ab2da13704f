"""Ctrl-C while a command shows the course of a job."""

from types import SimpleNamespace
from typing import Any

import pytest
from babelscope.cli import train


def _interrupt(*_: Any) -> None:
    raise KeyboardInterrupt


def test_a_job_that_goes_on_is_said_to(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """On servers that run on, where it takes its slot until it ends."""
    monkeypatch.setattr(train, "watch", _interrupt)
    mesh: Any = SimpleNamespace(trainer=None)
    job: Any = SimpleNamespace(name="jobs/a", state="running")
    with pytest.raises(KeyboardInterrupt):
        train.follow(mesh, job, False, None)  # type: ignore[arg-type]
    assert "jobs/a goes on: `babelscope jobs watch jobs/a` follows it" in " ".join(capsys.readouterr().err.split())

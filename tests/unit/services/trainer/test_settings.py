"""The trainer's settings where its server, its jobs and its replicas on Ray read them."""

import os
from collections.abc import Callable
from typing import Any, cast

import pytest

from services.runtime.settings import EXIT_USAGE, load
from services.runtime.variables import PREFIX, unknown
from services.trainer.__main__ import main
from services.trainer.driver.protocol import EVENTS_VARIABLE
from services.trainer.service import _followed
from services.trainer.settings import TrainerSettings
from services.trainer.works.desk import Desk


@pytest.fixture(autouse=True)
def bare(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in os.environ:
        if name.upper().startswith(PREFIX):
            monkeypatch.delenv(name)


@pytest.mark.parametrize("begin", [main, lambda: Desk(cast("Any", None), cast("Any", None))], ids=["server", "job"])
def test_a_misspelt_setting_ends_the_server_and_the_process_of_a_job(
    begin: Callable[[], object], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv(f"{PREFIX}KEPT_BYTE", "1")
    with pytest.raises(SystemExit) as caught:
        begin()
    assert caught.value.code == EXIT_USAGE
    assert capsys.readouterr().err.splitlines() == [
        f"{PREFIX}KEPT_BYTE: Expected the name of a setting, but there is none of this name; did you mean "
        f"{PREFIX}KEPT_BYTES?"
    ]


@pytest.mark.parametrize(
    "chosen",
    [
        {},
        {"threads": 3, "ray_gpus": 0.5},
        {"runner": "ray", "ray_address": "ray:6379", "slots": 4},
        {"runner": "ray", "ray_address": "ray:6379", "share_states": False},
        {"database": "postgresql://u@h/d", "device": "cuda:1"},
    ],
)
def test_processes_on_ray_read_what_they_follow(chosen: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    settings = TrainerSettings(**chosen)
    followed = _followed(settings)
    assert unknown({**followed, EVENTS_VARIABLE: "3"}, TrainerSettings.model_fields) == {}
    for name, value in followed.items():
        monkeypatch.setenv(name, value)
    found = load(TrainerSettings)
    assert found.threads_of_a_job() == settings.threads_of_a_job()
    assert found.shares_states == settings.shares_states
    assert found.device == ("cuda:0" if settings.ray_gpus else "cpu")

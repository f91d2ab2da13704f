"""The trainer's settings where its server, its jobs and its replicas on Ray read them."""

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any, cast

import pytest
import torch

from services.runtime.devices import DeviceLost
from services.runtime.settings import EXIT_USAGE, load
from services.runtime.telemetry import Telemetry
from services.runtime.variables import PREFIX, unknown
from services.trainer.__main__ import main
from services.trainer.driver.protocol import EVENTS_VARIABLE
from services.trainer.service import TrainerService, _followed
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


@pytest.mark.parametrize("asked", ["cuda", "cuda:0"])
def test_a_gpu_that_does_not_answer_is_no_reason_to_compute_without(
    asked: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert TrainerSettings(device="auto").chosen_device() == "cpu"
    with pytest.raises(DeviceLost, match=f"Expected a GPU, as `device` is {asked}"):
        TrainerSettings(device=asked).chosen_device()
    monkeypatch.setenv(f"{PREFIX}DEVICE", asked)
    monkeypatch.setenv(f"{PREFIX}DATABASE", f"sqlite:///{tmp_path}/jobs.db")
    monkeypatch.setenv(f"{PREFIX}STORE_URL", str(tmp_path / "store"))
    with pytest.raises(SystemExit) as caught:
        main()
    assert caught.value.code == EXIT_USAGE
    assert "The trainer cannot start: Expected a GPU" in capsys.readouterr().err


@pytest.mark.parametrize(("present", "told"), [(True, "cuda"), (False, None)])
def test_jobs_are_told_of_the_gpu_that_the_trainer_has_found(
    present: bool, told: str | None, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: present)
    places = {
        "store_url": str(tmp_path / "store"),
        "work_dir": tmp_path / "work",
        "database": f"sqlite:///{tmp_path}/j",
    }
    service = TrainerService(TrainerSettings(device="auto", hub=False, **places), Telemetry())
    assert service._dispatcher._settings.env.get(f"{PREFIX}DEVICE") == told

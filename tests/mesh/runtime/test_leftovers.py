"""Every server clears at its start what killed writers left, and leaves alone what live ones write."""

import tempfile
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from babelscope.data.atomic import owned, partial_file, partial_folder

from services.datagen.service import DatagenService
from services.datagen.settings import DatagenSettings
from services.encoder.service import EncoderService
from services.encoder.settings import EncoderSettings
from services.metrics.service import MetricsService
from services.metrics.settings import MetricsSettings
from services.runtime.files.store import Store
from services.runtime.telemetry import Telemetry
from services.trainer.service import TrainerService
from services.trainer.settings import TrainerSettings


def encoder(root: Path) -> Any:
    return EncoderService(
        EncoderSettings(store_url=str(root / "store"), checkpoint_dir=root / "a", hub=False, device="cpu"), Telemetry()
    )


def metrics(root: Path) -> Any:
    return MetricsService(MetricsSettings(store_url=str(root / "store"), scratch_dir=root / "a"))


def datagen(root: Path) -> Any:
    return DatagenService(DatagenSettings(store_url=str(root / "store"), scratch_dir=root / "a"))


def trainer(root: Path) -> Any:
    settings = TrainerSettings(
        store_url=str(root / "store"),
        checkpoint_dir=root / "a",
        work_dir=root / "work",
        database=f"sqlite:///{root / 'jobs.db'}",
        slots=0,
        hub=False,
        device="cpu",
    )
    return TrainerService(settings, Telemetry())


@pytest.fixture
def folders(tmp_path: Path) -> Iterator[list[Path]]:
    """Folders in which servers write, each with a file and a folder that a live writer holds."""
    found = [tmp_path / "store" / ".tmp", tmp_path / "a", tmp_path / "a" / "translation"]
    with ExitStack() as keep:
        for folder in found:
            folder.mkdir(parents=True)
            keep.enter_context(partial_file(folder, "held"))
            keep.enter_context(partial_folder(folder, "held"))
        yield found


def left(folder: Path) -> None:
    """What a killed writer leaves."""
    (folder / ".left.0123abcd.babelscope-partial").write_text("half")
    made = folder / ".left.4567cdef.babelscope-partial"
    made.mkdir()
    (made / "rows").write_text("half")


@pytest.mark.parametrize(
    ("make", "count"),
    [(encoder, 2), (metrics, 2), (datagen, 3), (trainer, 2)],
    ids=lambda each: getattr(each, "__name__", ""),
)
async def test_a_server_clears_its_folders(make: Any, count: int, folders: list[Path], tmp_path: Path) -> None:
    for folder in folders[:count]:
        left(folder)
    service = make(tmp_path)
    await service.start()
    try:
        for folder in folders[:count]:
            names = sorted(path.name.split(".")[1] for path in folder.glob(".*"))
            assert names == ["held", "held"], folder
    finally:
        await service.stop()


async def test_the_trainer_leaves_the_folders_of_live_jobs_alone(tmp_path: Path) -> None:
    for name in ("dead", "live"):
        (tmp_path / "work" / name).mkdir(parents=True)
        (tmp_path / "work" / name / "log").touch()
    with owned(tmp_path / "work" / "live"):  # as the process of a job does, of this table or another
        service = trainer(tmp_path)
        await service.start()
        await service.stop()
    assert [path.name for path in (tmp_path / "work").iterdir()] == ["live"]


def test_a_remote_store_clears_local_copies(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    left(tmp_path)
    store = Store("memory://leftovers")
    with store.create("maps") as writer:
        writer.write(b"x")
        assert store.sweep() == 2
    assert store.get(writer.name) == b"x"
    assert not list(tmp_path.iterdir())

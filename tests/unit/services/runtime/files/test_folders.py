"""Folders that go into the store and come back, whole or not at all."""

import json
from pathlib import Path

import pytest

from services.runtime.errors import DataLoss, InvalidArgument, NotFound
from services.runtime.files.folders import delete_folder, fetch_folder, put_folder
from services.runtime.files.store import Store

FILES = {"config.json": b"{}", "model.safetensors": bytes(range(256)) * 5000, "head/labels.json": b"[1]", "empty": b""}


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(str(tmp_path / "store"))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name, data in FILES.items():
        path = tmp_path / "made" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
    return tmp_path / "made"


def _contents(folder: Path) -> dict[str, bytes]:
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_a_folder_comes_back(store: Store, folder: Path, tmp_path: Path) -> None:
    stored = put_folder(store, "checkpoints", folder)
    assert stored.name.startswith("checkpoints/")
    assert stored.size == sum(map(len, FILES.values()))
    assert put_folder(store, "checkpoints", folder) == stored
    cache = tmp_path / "cache"
    found = fetch_folder(store, stored.name, cache)
    assert found == cache / stored.name
    assert _contents(found) == FILES
    assert fetch_folder(store, stored.name, cache) == found
    assert [path.name for path in (cache / "checkpoints").iterdir()] == [stored.name.partition("/")[2]]


def test_what_folders_share_is_stored_once(store: Store, folder: Path) -> None:
    put_folder(store, "checkpoints", folder)
    before = len(store.list("blobs/"))
    (folder / "config.json").write_bytes(b"{ }")
    put_folder(store, "checkpoints", folder)
    assert len(store.list("blobs/")) == before + 1
    assert len(store.list("checkpoints/")) == 2


def test_a_folder_beside_the_cache_is_none_of_it(store: Store, tmp_path: Path) -> None:
    (tmp_path / ("0" * 64)).mkdir()
    with pytest.raises(NotFound, match="stored folder"):
        fetch_folder(store, "../" + "0" * 64, tmp_path / "cache")


@pytest.mark.parametrize("name", ["checkpoints/", "checkpoints/" + "0" * 64, "checkpoints/../x", "checkpoints/0.json"])
def test_a_folder_that_is_not_there(store: Store, tmp_path: Path, name: str) -> None:
    with pytest.raises(NotFound, match="Expected the name of a checkpoint"):
        fetch_folder(store, name, tmp_path / "cache")


def test_a_removed_folder_is_not_there(store: Store, folder: Path, tmp_path: Path) -> None:
    name = put_folder(store, "checkpoints", folder).name
    delete_folder(store, name)
    with pytest.raises(NotFound):
        fetch_folder(store, name, tmp_path / "cache")


def test_a_damaged_file_leaves_nothing_behind(store: Store, folder: Path, tmp_path: Path) -> None:
    name = put_folder(store, "checkpoints", folder).name
    [large] = [path for path in (tmp_path / "store").rglob("*") if path.is_file() and path.stat().st_size > 1000000]
    large.write_bytes(b"x" + large.read_bytes()[1:])
    with pytest.raises(DataLoss):
        fetch_folder(store, name, tmp_path / "cache")
    assert not list((tmp_path / "cache" / "checkpoints").iterdir())
    large.unlink()
    with pytest.raises(DataLoss, match="is missing"):
        fetch_folder(store, name, tmp_path / "cache")


@pytest.mark.parametrize("path", ["../out", "/etc/passwd", "a/../../b", "", "."])
def test_a_list_that_leads_out_is_refused(store: Store, tmp_path: Path, path: str) -> None:
    held = store.put("blobs", b"x")
    listed = json.dumps({"format": 1, "files": [{"path": path, "object": held, "bytes": 1}]}).encode()
    name = store.put("checkpoints", listed, suffix=".json").removesuffix(".json")
    with pytest.raises(DataLoss, match="outside"):
        fetch_folder(store, name, tmp_path / "cache")
    assert not (tmp_path / "out").exists()


def test_links_are_not_stored(store: Store, folder: Path) -> None:
    (folder / "link").symlink_to("/etc/passwd")
    with pytest.raises(InvalidArgument, match="but got link"):
        put_folder(store, "checkpoints", folder)

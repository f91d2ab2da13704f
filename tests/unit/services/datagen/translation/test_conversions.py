"""Converted models in the store: found by other servers, mended where they are damaged, never in the way."""

from pathlib import Path

import pytest

from services.datagen.translation.conversions import CARDS, KIND, Conversions
from services.runtime.errors import LimitExceeded
from services.runtime.files.store import Store


def make(folder: Path) -> Path:
    """A folder as a converter leaves it."""
    made = folder / "convert" / "model"
    made.mkdir(parents=True)
    (made / "model.bin").write_bytes(bytes(range(256)) * 300)
    (made / "config.json").write_text("{}", encoding="utf-8")
    return made


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def test_another_server_finds_what_one_has_converted(tmp_path: Path) -> None:
    store = Store(str(tmp_path / "store"))
    made = make(tmp_path / "one")
    wanted = contents(made)
    one = Conversions(tmp_path / "one", store)
    assert one.find("key") is None
    assert contents(one.keep("key", made)) == wanted
    assert one.find("key") == tmp_path / "one" / "key"
    other = Conversions(tmp_path / "other", store)
    assert other.find("another key") is None
    found = other.find("key")
    assert found == tmp_path / "other" / "key"
    assert contents(found) == wanted
    assert [path.name for path in (tmp_path / "other").iterdir()] == ["key"]


def test_the_same_conversion_is_one_object(tmp_path: Path) -> None:
    store = Store(str(tmp_path / "store"))
    for name in ("one", "other"):
        Conversions(tmp_path / name, store).keep("key", make(tmp_path / name))
    assert len(store.list(f"{KIND}/")) == len(store.list(f"{CARDS}/")) == 1


def test_one_that_is_damaged_is_made_anew(tmp_path: Path) -> None:
    store = Store(str(tmp_path / "store"))
    Conversions(tmp_path / "one", store).keep("key", make(tmp_path / "one"))
    [packed] = (tmp_path / "store" / KIND).rglob("*.tar")
    packed.chmod(0o600)
    packed.write_bytes(packed.read_bytes()[:-1] + b"x")
    other = Conversions(tmp_path / "other", store)
    assert other.find("key") is None
    other.keep("key", make(tmp_path / "other"))
    assert Conversions(tmp_path / "third", store).find("key") is not None


def test_without_a_store_or_with_a_full_one_the_folder_serves(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    alone = Conversions(tmp_path / "alone")
    assert alone.find("key") is None
    assert alone.keep("key", make(tmp_path / "alone")) == alone.find("key") == tmp_path / "alone" / "key"
    store = Store(str(tmp_path / "store"))

    def full(*_: object, **__: object) -> None:
        raise LimitExceeded("store", "Expected room, but there is none")

    monkeypatch.setattr(store, "create", full)
    kept = Conversions(tmp_path / "full", store)
    assert kept.keep("key", make(tmp_path / "full")) == kept.find("key")
    assert store.list(f"{CARDS}/") == []

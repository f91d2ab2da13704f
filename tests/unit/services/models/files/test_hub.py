"""The hub's client and cache, without a network: a cache laid out as the client lays it out."""

import shutil
from pathlib import Path

import pytest
from huggingface_hub import constants

from services.encoder.loading import load_engine
from services.models.catalogue import ModelFiles
from services.models.files.hub import Hub
from services.models.spec import ModelSpec
from services.runtime.errors import FailedPrecondition, InvalidArgument, NotFound
from tests.support.tiny_models import build_model

COMMIT = "0123456789abcdef0123456789abcdef01234567"


@pytest.fixture(autouse=True)
def offline(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)


@pytest.fixture
def cache(tmp_path: Path) -> Path:
    """A cache that holds org/tiny, whose files are links to blobs."""
    source = build_model("bert", tmp_path / "source")
    repo = tmp_path / "cache" / "models--org--tiny"
    snapshot = repo / "snapshots" / COMMIT
    snapshot.mkdir(parents=True)
    (repo / "blobs").mkdir()
    (repo / "refs").mkdir()
    (repo / "refs" / "main").write_text(COMMIT)
    for path in source.iterdir():
        blob = repo / "blobs" / f"blob-{path.name}"
        shutil.copy(path, blob)
        (snapshot / path.name).symlink_to(Path("../../blobs") / blob.name)
    return tmp_path / "cache"


def test_a_model_of_the_cache_is_served(cache: Path) -> None:
    files = ModelFiles(hub=True, cache_dir=cache)
    for revision in ("", "main", COMMIT):
        engine = load_engine(files, ModelSpec("org/tiny", revision), threads=1)
        assert (engine.info.name, engine.info.revision) == ("org/tiny", revision)
        engine.close()


def test_unknown_models_need_the_hub(cache: Path) -> None:
    files = ModelFiles(hub=True, cache_dir=cache, aliases={"org/others": cache})
    with pytest.raises(NotFound, match=r"neither .* nor in the hub's cache, and the hub cannot be reached") as caught:
        files.resolve("org/other")
    assert caught.value.nearby == ("org/others",)
    with pytest.raises(NotFound, match="cannot be reached"):
        files.resolve("org/tiny", "another-revision")


def test_without_the_hub_the_cache_is_not_looked_at(cache: Path) -> None:
    with pytest.raises(NotFound):
        ModelFiles(hub=False, cache_dir=cache).resolve("org/tiny")


@pytest.mark.parametrize("name", ["a--b", "org/na me", "-org/x", "org/" + "x" * 200])
def test_names_that_are_no_hub_ids(cache: Path, name: str) -> None:
    with pytest.raises(InvalidArgument, match="Expected a hub id"):
        ModelFiles(hub=True, cache_dir=cache).resolve(name)


def test_refusals_come_before_the_weights(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    config = cache / "models--org--tiny" / "snapshots" / COMMIT / "config.json"
    config.unlink()
    config.write_text('{"model_type": "t5"}')

    def refuse(*_: object) -> Path:
        raise AssertionError("the weights were fetched")

    monkeypatch.setattr(Hub, "model", refuse)
    with pytest.raises(FailedPrecondition, match="its family is 't5'"):
        ModelFiles(hub=True, cache_dir=cache).resolve("org/tiny")


def test_only_safe_files_are_asked_for(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    asked: dict[str, object] = {}

    def download(name: str, **options: object) -> str:
        asked.update(options, name=name)
        return str(tmp_path)

    monkeypatch.setattr("huggingface_hub.snapshot_download", download)
    Hub(tmp_path).model("org/tiny", "v1")
    assert asked["revision"] == "v1"
    patterns = asked["allow_patterns"]
    assert isinstance(patterns, list)
    assert all(pattern.endswith((".json", ".txt", ".safetensors")) for pattern in patterns)

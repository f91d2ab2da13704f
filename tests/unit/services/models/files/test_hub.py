"""The hub's client and cache, without a network: a cache laid out as the client lays it out, a hub on loopback."""

import json
import shutil
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import pytest
from huggingface_hub import constants
from safetensors.torch import load_file, save_file

from services.encoder.loading import load_engine
from services.models.catalogue import ModelFiles
from services.models.files.hub import Hub
from services.models.spec import ModelSpec
from services.runtime.errors import FailedPrecondition, InvalidArgument, NotFound
from tests.support.loopback_hub import COMMIT as COMMIT_OF_HUB
from tests.support.loopback_hub import LoopbackHub
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
    config.write_text('{"model_type": "llama"}')

    def refuse(*_: object) -> Path:
        raise AssertionError("the weights were fetched")

    monkeypatch.setattr(Hub, "model", refuse)
    with pytest.raises(FailedPrecondition, match="its family is 'llama'"):
        ModelFiles(hub=True, cache_dir=cache).resolve("org/tiny")


@pytest.fixture
def source(tmp_path: Path) -> Path:
    """The files of a repository, with some that nobody needs."""
    folder = build_model("bert", tmp_path / "repository")
    (folder / "pytorch_model.bin").write_bytes(b"pickle")
    (folder / "tf_model.h5").write_bytes(b"hdf5")
    (folder / "huge.json").write_text("{}")
    (folder / "onnx").mkdir()
    (folder / "onnx" / "model.safetensors").write_bytes(b"another")
    return folder


@pytest.fixture
def hub(source: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[LoopbackHub]:
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
    with LoopbackHub({"org/tiny": source}).serving() as serving:
        _point(monkeypatch, serving.url)
        yield serving


def _point(monkeypatch: pytest.MonkeyPatch, url: str) -> None:
    """Has the hub's client ask another hub."""
    template = constants.HUGGINGFACE_CO_URL_TEMPLATE.removeprefix(constants.ENDPOINT)
    monkeypatch.setattr(constants, "HUGGINGFACE_CO_URL_TEMPLATE", url + template)
    monkeypatch.setattr(constants, "ENDPOINT", url)


def _served(tmp_path: Path) -> ModelFiles:
    return ModelFiles(hub=True, cache_dir=tmp_path / "downloads")


def _reindexed(source: Path, names: Sequence[str]) -> None:
    """Spreads the tensors of a repository over files of any names, with an index."""
    tensors = load_file(source / "model.safetensors")
    (source / "model.safetensors").unlink()
    where = {tensor: names[number % len(names)] for number, tensor in enumerate(tensors)}
    for name in names:
        save_file({tensor: value for tensor, value in tensors.items() if where[tensor] == name}, source / name)
    (source / "model.safetensors.index.json").write_text(json.dumps({"metadata": {}, "weight_map": where}))


@pytest.mark.parametrize(
    "names",
    [
        ("model.safetensors",),
        ("model-00001-of-00002.safetensors", "model-00002-of-00002.safetensors"),
        ("weights_a.safetensors", "b.safetensors", "last [1].safetensors"),
    ],
)
def test_what_the_index_names_is_fetched_and_nothing_else(
    names: Sequence[str], source: Path, hub: LoopbackHub, tmp_path: Path
) -> None:
    expected = load_engine(ModelFiles(aliases={"m": source}), ModelSpec("m"), threads=1)
    if len(names) > 1:
        _reindexed(source, names)
    (source / "model.fp16.safetensors").write_bytes(b"a variant")
    engine = load_engine(_served(tmp_path), ModelSpec("org/tiny"), threads=1)
    assert engine.info.parameters == expected.info.parameters
    small = {"config.json", "tokenizer.json", "tokenizer_config.json", "vocab.txt", "special_tokens_map.json"}
    fetched = set(hub.fetched) - small
    assert fetched == {*names, *(["model.safetensors.index.json"] if len(names) > 1 else [])}
    for one in (engine, expected):
        one.close()


def _without_weights(source: Path) -> None:
    (source / "model.safetensors").unlink()


def _with_weights_of_another_library(source: Path) -> None:
    for name in ("model.safetensors", "pytorch_model.bin"):
        (source / name).unlink()


def _without_any_weights(source: Path) -> None:
    for name in ("model.safetensors", "pytorch_model.bin", "tf_model.h5"):
        (source / name).unlink()


def _without_tokenizer(source: Path) -> None:
    for name in ("tokenizer.json", "vocab.txt"):
        (source / name).unlink(missing_ok=True)


def _with_an_index_of_files_that_are_missing(source: Path) -> None:
    _reindexed(source, ("a.safetensors", "b.safetensors"))
    (source / "b.safetensors").unlink()


def _with_an_index_that_leads_out(source: Path) -> None:
    _reindexed(source, ("a.safetensors", "b.safetensors"))
    (source / "model.safetensors.index.json").write_text(json.dumps({"weight_map": {"x": "onnx/model.safetensors"}}))


def _with_an_index_of_pickles(source: Path) -> None:
    _reindexed(source, ("a.safetensors",))
    (source / "model.safetensors.index.json").write_text(json.dumps({"weight_map": {"x": "pytorch_model.bin"}}))


def _of_another_family(source: Path) -> None:
    (source / "config.json").write_text('{"model_type": "llama"}')


def _without_configuration(source: Path) -> None:
    (source / "config.json").unlink()


@pytest.mark.parametrize(
    ("spoil", "reason"),
    [
        (_without_weights, "found only pytorch_model.bin, which would have to be unpickled"),
        (_with_weights_of_another_library, "found only tf_model.h5"),
        (_without_any_weights, "found no weights at all"),
        (_without_tokenizer, "Expected a fast tokenizer, but the folder has no tokenizer.json"),
        (_with_an_index_of_files_that_are_missing, "names files that are missing: b.safetensors"),
        (_with_an_index_that_leads_out, "not safetensors files of this folder"),
        (_with_an_index_of_pickles, "not safetensors files of this folder"),
        (_of_another_family, "its family is 'llama'"),
        (_without_configuration, "it has no config.json"),
    ],
)
def test_what_cannot_be_served_is_refused_before_anything_large_is_fetched(
    spoil: Callable[[Path], None], reason: str, source: Path, hub: LoopbackHub, tmp_path: Path
) -> None:
    spoil(source)
    with pytest.raises(FailedPrecondition, match=reason):
        _served(tmp_path).resolve("org/tiny")
    assert set(hub.fetched) <= {"config.json", "tokenizer_config.json", "model.safetensors.index.json"}


def test_what_was_fetched_is_served_when_the_hub_is_gone(
    hub: LoopbackHub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    files = _served(tmp_path)
    there = files.resolve("org/tiny")
    _point(monkeypatch, "http://127.0.0.1:9")
    for revision in ("", "main", COMMIT_OF_HUB):
        assert files.resolve("org/tiny", revision) == there
    with pytest.raises(NotFound, match="the hub cannot be reached"):
        files.resolve("org/other")


def test_unknown_names_of_the_hub(hub: LoopbackHub, tmp_path: Path) -> None:
    with pytest.raises(NotFound, match="org/other"):
        _served(tmp_path).resolve("org/other")

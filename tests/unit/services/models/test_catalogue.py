"""From names to engines: precedence, refusals, sharing, digests."""

import gc
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from services.encoder.loading import load_engine
from services.models.catalogue import ModelFiles
from services.models.checkpoints import StoredCheckpoints
from services.models.spec import ModelSpec, Reinit
from services.runtime.errors import FailedPrecondition, InvalidArgument, NotFound
from services.runtime.files.folders import put_folder
from services.runtime.files.store import Store
from tests.support.tiny_models import build_model


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("root")
    build_model("bert", path / "tiny-bert")
    build_model("distilbert", path / "org" / "tiny-distil", head=True)
    gpt = path / "gpt"
    gpt.mkdir()
    (gpt / "config.json").write_text('{"model_type": "gpt2"}')
    pickled = build_model("bert", path / "pickled")
    (pickled / "model.safetensors").rename(pickled / "pytorch_model.bin")
    return path


def _edit(folder: Path, **settings: Any) -> None:
    path = folder / "config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | settings))


def test_names_under_roots_and_aliases(root: Path, tmp_path: Path) -> None:
    files = ModelFiles([root], {"short": root / "tiny-bert"})
    assert files.resolve("tiny-bert") == root / "tiny-bert"
    assert files.resolve("org/tiny-distil") == root / "org" / "tiny-distil"
    assert files.resolve("short") == root / "tiny-bert"
    other = ModelFiles([tmp_path, root])
    assert other.resolve("tiny-bert") == root / "tiny-bert"


@pytest.mark.parametrize("alias", ["./tiny", "/data/tiny", "checkpoints/step-100", "../tiny"])
def test_an_alias_may_look_like_a_path(alias: str, root: Path) -> None:
    """The operator gave it, or the command line, which serves a folder under the very name that was typed."""
    files = ModelFiles([root], {alias: root / "tiny-bert"})
    assert files.resolve(alias) == root / "tiny-bert"
    assert files.is_local(alias)
    assert files.stamp(alias) == files.stamp("tiny-bert")
    with pytest.raises(InvalidArgument):
        files.resolve("./other")


def test_unknown_names_say_what_is_near(root: Path) -> None:
    with pytest.raises(NotFound, match="did you mean tiny-bert") as caught:
        ModelFiles([root]).resolve("tinybert")
    assert caught.value.nearby[0] == "tiny-bert"


def test_refusals(root: Path) -> None:
    files = ModelFiles([root], {"gone": root / "nowhere"})
    with pytest.raises(InvalidArgument, match=r"without `\.\.`"):
        files.resolve("../root/tiny-bert")
    with pytest.raises(InvalidArgument, match="Expected none, as model tiny-bert is a local folder") as caught:
        files.resolve("tiny-bert", "main")
    assert caught.value.field == "spec.model.revision"
    with pytest.raises(FailedPrecondition, match="would have to be unpickled"):
        files.resolve("pickled")
    with pytest.raises(FailedPrecondition, match="the families offered are albert, bart"):
        files.resolve("gpt")
    with pytest.raises(FailedPrecondition, match=r"no config\.json"):
        files.resolve("gone")


def test_listing(root: Path) -> None:
    listed = {summary.name: summary for summary in ModelFiles([root], {"short": root / "tiny-bert"}).list()}
    assert list(listed) == ["gpt", "org/tiny-distil", "pickled", "short", "tiny-bert"]
    assert listed["tiny-bert"].family == "bert"
    assert listed["tiny-bert"].reason == ""
    assert "unpickled" in listed["pickled"].reason
    assert "gpt2" in listed["gpt"].reason


def test_listing_names_links_that_lead_out(root: Path, tmp_path: Path) -> None:
    (tmp_path / "linked").symlink_to(root / "tiny-bert")
    [summary] = ModelFiles([tmp_path]).list()
    assert "a link leads out" in summary.reason


def test_what_is_known_of_a_loaded_model(root: Path) -> None:
    engine = load_engine(ModelFiles([root]), ModelSpec("org/tiny-distil"), threads=1)
    info = engine.info
    assert (info.name, info.family, info.layers, info.hidden_size, info.heads) == (
        "org/tiny-distil", "distilbert", 3, 40, 5,
    )  # fmt: skip
    assert (info.vocabulary_size, info.max_tokens, info.predicts_tokens) == (400, 256, True)
    assert len(info.digest) == 64
    assert engine.device == "cpu"
    engine.close()


def test_digests_follow_the_files(tmp_path: Path) -> None:
    def digest() -> str:
        engine = load_engine(ModelFiles([tmp_path]), ModelSpec("m"), threads=1)
        engine.close()
        return engine.info.digest

    folder = build_model("bert", tmp_path / "m", seed=0)
    first = digest()
    assert digest() == first
    build_model("bert", folder, seed=1)
    second = digest()
    _edit(folder, layer_norm_eps=1e-6)
    third = digest()
    (folder / "README.md").write_text("not part of it")
    assert digest() == third
    assert len({first, second, third}) == 3


def test_engines_of_the_same_files_share_their_weights(root: Path) -> None:
    files = ModelFiles([root], {"again": root / "tiny-bert"})
    specs = [ModelSpec("tiny-bert"), ModelSpec("again"), ModelSpec("tiny-bert", reinit=(Reinit((1,)),))]
    one, two, variant = (load_engine(files, spec, threads=1) for spec in specs)
    encoders = [engine._backend._encoder for engine in (one, two, variant)]
    assert encoders[0] is encoders[1]
    assert encoders[2].blocks[1] is encoders[0].blocks[1]
    for engine in (one, two, variant):
        engine.close()
    del one, two, variant, engine, encoders
    gc.collect()
    assert len(files._loaded) == 0


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (lambda folder: _edit(folder, num_hidden_layers=5), "16 are missing"),
        (lambda folder: _edit(folder, hidden_act="quick_gelu"), "its activation is 'quick_gelu'"),
        (lambda folder: _edit(folder, is_decoder=True), "it is a decoder"),
        (lambda folder: _edit(folder, auto_map={"AutoModel": "x.Y"}), "never run"),
        (lambda folder: _edit(folder, vocab_size=399), r"\[400, 48\], expected \[399, 48\]"),
        (lambda folder: (folder / "tokenizer.json").write_text("{}"), "tokenizer does not load"),
    ],
)
def test_models_that_cannot_be_served(tmp_path: Path, change: Callable[[Path], object], reason: str) -> None:
    change(build_model("bert", tmp_path / "m"))
    with pytest.raises(FailedPrecondition, match=reason) as caught:
        load_engine(ModelFiles([tmp_path]), ModelSpec("m"), threads=1)
    assert caught.value.subject == "model m"


def test_layers_that_do_not_exist_are_refused(root: Path) -> None:
    with pytest.raises(InvalidArgument, match=r"within 1\.\.4 for model tiny-bert, but got 5"):
        load_engine(ModelFiles([root]), ModelSpec("tiny-bert", reinit=(Reinit((5,)),)), threads=1)


def test_a_checkpoint_of_the_store_is_a_model(root: Path, tmp_path: Path) -> None:
    store = Store(str(tmp_path / "store"))
    name = put_folder(store, "checkpoints", root / "tiny-bert").name
    files = ModelFiles([root], checkpoints=StoredCheckpoints(store, tmp_path / "cache"))
    assert files.resolve(name) == tmp_path / "cache" / name
    stored, local = (load_engine(files, ModelSpec(each)) for each in (name, "tiny-bert"))
    assert stored.info.digest == local.info.digest
    with pytest.raises(NotFound, match="Expected the name of a checkpoint"):
        files.resolve("checkpoints/" + "0" * 64)
    with pytest.raises(InvalidArgument, match="Expected none"):
        files.resolve(name, "main")


@pytest.mark.parametrize(
    "revision", ["../../tiny-bert/config.json", "/dev/zero", "a\0b", "x" * 256, "a\\b", "HEAD~1", "a b", "\ud800"]
)
def test_what_is_no_revision_is_refused_before_the_hub_is_asked(root: Path, revision: str) -> None:
    files = ModelFiles([root], hub=True, cache_dir=root)
    with pytest.raises(InvalidArgument, match=r"Expected a branch, a tag or a commit") as caught:
        files.find("a/b", revision)
    assert caught.value.field == "spec.model.revision"


def test_settings_that_are_no_plain_files_are_refused(root: Path) -> None:
    for number, target in enumerate(("/dev/zero", "/proc/self/environ")):
        folder = root / f"device-{number}"
        folder.mkdir()
        (folder / "config.json").symlink_to(target)
        with pytest.raises((FailedPrecondition, InvalidArgument)):
            ModelFiles([root]).find(folder.name)

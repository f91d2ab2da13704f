"""Names that stay inside, and folders that can be served."""

import errno
import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from services.models.files.folders import check_name, family_of, folders_below, inspect, read_config
from services.runtime.errors import FailedPrecondition, InvalidArgument
from tests.support.tiny_models import build_model


@pytest.mark.parametrize(
    "name",
    ["", "..", "../x", "a/../b", "/etc", "a//b", "a/", "./a", "a\\b", "a\0b", "C:/x", "a\nb", "http://x/y", "~\u202e"],
)
def test_bad_names(name: str) -> None:
    with pytest.raises(InvalidArgument) as caught:
        check_name(name)
    assert caught.value.field == "spec.model.name"


@pytest.mark.parametrize("name", ["x" * 256, "/".join(["x" * 200] * 6), "\ud800"])
def test_names_that_no_file_system_takes(name: str) -> None:
    with pytest.raises(InvalidArgument):
        check_name(name)


@pytest.mark.parametrize("name", ["bert-base", "org/name", "a/b/c", "..a", "checkpoints/1f", "модель"])
def test_good_names(name: str) -> None:
    check_name(name)


def test_families_not_offered_are_refused_with_those_that_are() -> None:
    with pytest.raises(FailedPrecondition, match=r"its family is 'gpt2', which is no encoder of text .*albert, .*xmod"):
        family_of({"model_type": "gpt2"}, "model m")
    with pytest.raises(FailedPrecondition, match="its family is None"):
        family_of({}, "model m")
    with pytest.raises(FailedPrecondition, match="decoder"):
        family_of({"model_type": "bert", "is_decoder": True}, "model m")


@pytest.mark.parametrize("text", ["{", "[1]", "\ufffe"])
def test_damaged_configurations(tmp_path: Path, text: str) -> None:
    (tmp_path / "config.json").write_text(text, "utf-16")
    with pytest.raises(FailedPrecondition):
        read_config(tmp_path, "model m")


def test_what_an_inspection_finds(tmp_path: Path) -> None:
    folder = build_model("roberta", tmp_path / "root" / "tiny")
    found = inspect(folder, "model tiny", tmp_path / "root")
    assert found.family == "roberta"
    assert [path.name for path in found.weights] == ["model.safetensors"]
    assert {"config.json", "tokenizer.json", "model.safetensors"} <= {path.name for path in found.files}


def test_without_a_fast_tokenizer(tmp_path: Path) -> None:
    folder = build_model("bert", tmp_path / "tiny")
    (folder / "tokenizer.json").unlink()
    with pytest.raises(FailedPrecondition, match="Expected a fast tokenizer"):
        inspect(folder, "model tiny", tmp_path)


def test_links_that_lead_out_are_refused(tmp_path: Path) -> None:
    outside = build_model("bert", tmp_path / "outside")
    root = tmp_path / "root"
    root.mkdir()
    (root / "linked").symlink_to(outside)
    with pytest.raises(InvalidArgument, match="a link leads out"):
        inspect(root / "linked", "model linked", root)
    inside = build_model("bert", root / "inside")
    inspect(inside, "model inside", root)
    (inside / "model.safetensors").unlink()
    (inside / "model.safetensors").symlink_to(outside / "model.safetensors")
    with pytest.raises(InvalidArgument, match="a link leads out"):
        inspect(inside, "model inside", root)
    inspect(inside, "model inside", None)


def test_links_within_the_root_are_followed(tmp_path: Path) -> None:
    build_model("bert", tmp_path / "real")
    (tmp_path / "other").symlink_to(tmp_path / "real")
    assert inspect(tmp_path / "other", "model other", tmp_path).family == "bert"


def test_folders_below_a_root(tmp_path: Path) -> None:
    for name in ("a", "org/b", "org/deep/c", "too/deep/to/see", ".hidden", "a/nested"):
        folder = tmp_path / name
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "config.json").write_text(json.dumps({}))
    assert sorted(name for name, _ in folders_below(tmp_path)) == ["a", "org/b", "org/deep/c"]
    assert list(folders_below(tmp_path / "nowhere")) == []


def test_a_folder_that_cannot_be_read_hides_no_other(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    for name in ("a", "locked/b", "team/c"):
        (tmp_path / name).mkdir(parents=True)
        (tmp_path / name / "config.json").write_text("{}")
    read = Path.iterdir

    def iterdir(self: Path) -> Iterator[Path]:  # root may read anything, so that its leave cannot be taken
        if self.name == "locked":
            raise PermissionError(errno.EACCES, "Permission denied", str(self))
        return read(self)

    monkeypatch.setattr(Path, "iterdir", iterdir)
    for _ in range(2):
        assert sorted(name for name, _ in folders_below(tmp_path)) == ["a", "team/c"]
    assert caplog.text.count("unreadable folder skipped") == 1

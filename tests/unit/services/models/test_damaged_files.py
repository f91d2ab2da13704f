"""Every file of a model folder, damaged in every way: a refusal at load or the model as it was, never another error."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from services.models.catalogue import ModelFiles, load_model
from services.models.spec import ModelSpec
from services.runtime.errors import FailedPrecondition
from tests.support.tiny_models import build_model

Damage = Callable[[Path], Any]


def _content(data: bytes) -> Damage:
    return lambda path: path.write_bytes(data)


def _folder(path: Path) -> None:
    path.unlink()
    path.mkdir()


DAMAGES: dict[str, Damage] = {
    "empty": _content(b""),
    "half": lambda path: path.write_bytes(path.read_bytes()[: path.stat().st_size // 2]),
    "a list": _content(b"[]"),
    "null": _content(b"null"),
    "a string": _content(b'"x"'),
    "an object": _content(b"{}"),
    "UTF-16": _content("{}".encode("utf-16")),
    "lists in lists": _content(b"[" * 200_000),
    "digits": _content(b"1" * 6000),
    "a folder": _folder,
    "gone": Path.unlink,
}


@pytest.fixture(scope="module")
def sources(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("sources")
    return {family: build_model(family, folder / family) for family in ("bert", "roberta")}


def _load(root: Path) -> None:
    load_model(ModelFiles([root]), ModelSpec("m"))


@pytest.mark.parametrize("damage", DAMAGES)
def test_damaged_files_are_refused_or_harmless(sources: dict[str, Path], tmp_path: Path, damage: str) -> None:
    refused = set()
    for name in sorted(path.name for path in sources["bert"].iterdir()):
        folder = Path(shutil.copytree(sources["bert"], tmp_path / name / "m"))
        DAMAGES[damage](folder / name)
        try:
            _load(tmp_path / name)
        except FailedPrecondition:
            refused.add(name)
    assert {"config.json", "model.safetensors", "tokenizer.json"} <= refused


@pytest.mark.parametrize("family", ["bert", "roberta"])
@pytest.mark.parametrize("value", [None, "x", "\u0120", [], {}, -1, 10**9])
def test_wrong_fields_of_a_tokenizer_are_refused_or_harmless(
    sources: dict[str, Path], tmp_path: Path, family: str, value: Any
) -> None:
    folder = Path(shutil.copytree(sources[family], tmp_path / "m"))
    right = json.loads((folder / "tokenizer.json").read_text())
    reasons = []
    for field in right["model"]:
        wrong = {**right, "model": {**right["model"], field: value}}
        (folder / "tokenizer.json").write_text(json.dumps(wrong))
        try:
            _load(tmp_path)
        except FailedPrecondition as error:
            reasons.append(error.reason)
    assert len(reasons) > 1
    assert all("tokenizer" in reason for reason in reasons)


def test_merges_without_their_prefix_are_refused_before_the_library_sees_them(
    sources: dict[str, Path], tmp_path: Path
) -> None:
    folder = Path(shutil.copytree(sources["roberta"], tmp_path / "m"))
    right = json.loads((folder / "tokenizer.json").read_text())
    right["model"]["continuing_subword_prefix"] = "##"
    (folder / "tokenizer.json").write_text(json.dumps(right))
    with pytest.raises(FailedPrecondition, match=r"each merge in tokenizer\.json to begin with `continuing_subword"):
        _load(tmp_path)

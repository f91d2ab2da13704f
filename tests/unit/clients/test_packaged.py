"""Models that come with the package: named, whole, and known to servers before their own."""

import json
from pathlib import Path

from babelscope.packaged import GRAMMAR_MODEL, packaged_models

from services.models.settings import ModelSettings
from services.runtime.files.store import Store


def test_each_is_a_whole_folder_in_float16() -> None:
    from safetensors.numpy import load_file

    assert GRAMMAR_MODEL in packaged_models()
    for name, folder in packaged_models().items():
        assert name == f"babelscope/{folder.name}"
        assert {"config.json", "tokenizer.json", "model.safetensors"} <= {file.name for file in folder.iterdir()}
        assert json.loads((folder / "config.json").read_text(encoding="utf-8"))["dtype"] == "float16"
        assert {str(tensor.dtype) for tensor in load_file(folder / "model.safetensors").values()} == {"float16"}


def test_servers_know_them_and_an_alias_of_their_name_comes_first(tmp_path: Path) -> None:
    store = Store(str(tmp_path / "store"))
    assert ModelSettings(hub=False).model_files(store).resolve(GRAMMAR_MODEL) == packaged_models()[GRAMMAR_MODEL]
    other = tmp_path / "other"
    other.symlink_to(packaged_models()[GRAMMAR_MODEL])
    files = ModelSettings(hub=False, model_aliases={GRAMMAR_MODEL: other}).model_files(store)
    assert files.resolve(GRAMMAR_MODEL) == other

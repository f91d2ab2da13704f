"""Trained tensors go back to where they stood in the files, whatever transformers calls them."""

from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file
from transformers import AutoModel, AutoModelForMaskedLM

from services.models.catalogue import ModelFiles
from services.models.general import modules
from services.models.general.loading import word_table
from services.models.general.stored import StoredRows
from services.runtime.errors import FailedPrecondition
from tests.support.general_models import build_general

FAMILIES = {"nomic_bert": {"num_hidden_layers": 2}, "m2m_100": {"encoder_layers": 2}, "xlm": {"n_layers": 2}}


def _named(module: torch.nn.Module) -> dict[str, torch.Tensor]:
    """Its tensors but for the pooler, which the files lack and transformers then draws."""
    return {name: each for name, each in module.named_parameters() if not name.startswith("pooler")}


def _found(folder: Path) -> tuple[StoredRows, torch.nn.Module]:
    model = ModelFiles(aliases={"m": folder}).find("m")
    config = modules.configuration(model, "m")
    module = modules.load(model, config, "m", "cpu")
    named = _named(module)
    [word] = [name for name, each in named.items() if each is word_table(module)]
    return StoredRows.find(model, config, named, word, "m"), module


@pytest.mark.parametrize("family", FAMILIES)
def test_what_is_written_is_what_transformers_loads(family: str, tmp_path: Path) -> None:
    folder = build_general(family, tmp_path / "m", head=family == "nomic_bert", **FAMILIES[family])
    rows, module = _found(folder)
    before = load_file(folder / "model.safetensors")
    same = rows.written(_named(module))
    assert same.keys() == before.keys()
    assert all(torch.equal(same[name], before[name]) for name in before)
    with torch.no_grad():
        for parameter in module.parameters():
            parameter.add_(1.0)
    save_file(rows.written(_named(module)), folder / "model.safetensors", metadata={"format": "pt"})
    model = AutoModel.from_pretrained(folder)
    theirs = model.get_encoder() if model.config.is_encoder_decoder else model
    for name, parameter in module.named_parameters():
        assert torch.equal(parameter, theirs.get_parameter(name)), name


def test_a_word_table_under_two_names_stays_one(tmp_path: Path) -> None:
    folder = build_general("mpnet", tmp_path / "m", head=True, num_hidden_layers=2)
    path = folder / "model.safetensors"
    stored = load_file(path)
    stored["lm_head.decoder.weight"] = stored["mpnet.embeddings.word_embeddings.weight"].clone()
    save_file(stored, path, metadata={"format": "pt"})
    rows, module = _found(folder)
    with torch.no_grad():
        word_table(module).add_(1.0)
    save_file(rows.written(_named(module)), path, metadata={"format": "pt"})
    model = AutoModelForMaskedLM.from_pretrained(folder)
    assert torch.equal(model.get_output_embeddings().weight, word_table(module))


def test_a_tensor_that_is_made_otherwise_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = build_general("mpnet", tmp_path / "m", num_hidden_layers=2)
    filled = modules.filled

    def turned(*args: object) -> torch.nn.Module:
        module = filled(*args)  # type: ignore[arg-type]
        weight = module.get_parameter("encoder.layer.1.intermediate.dense.weight")
        weight.data = weight.data.flip(0).T.reshape(weight.shape)
        return module

    monkeypatch.setattr(modules, "filled", turned)
    with pytest.raises(FailedPrecondition, match=r"its tensor encoder.layer.1.intermediate.dense.weight is made"):
        _found(folder)

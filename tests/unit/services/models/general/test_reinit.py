"""RANDOM-INIT of models of transformers: their own rule, the generator of the packed path, and nothing else touched."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn
from transformers import AutoModel

from services.models.catalogue import ModelFiles, load_model
from services.models.general.loading import Base
from services.models.general.reinit import reinitialised
from services.models.general_model import load_general
from services.models.spec import ModelSpec, Reinit, Scheme
from services.runtime.errors import InvalidArgument
from tests.support.general_models import build_general
from tests.support.tiny_models import build_model

WIDE = {
    "albert": {"hidden_size": 192, "intermediate_size": 256, "num_hidden_layers": 2},
    "deberta-v2": {"hidden_size": 192, "intermediate_size": 256, "num_hidden_layers": 2, "conv_kernel_size": 3},
    "eurobert": {"hidden_size": 192, "intermediate_size": 256, "num_hidden_layers": 2},
    "mbart": {"d_model": 192, "encoder_ffn_dim": 256, "encoder_layers": 2},
    "mt5": {"d_model": 192, "d_ff": 256, "d_kv": 48, "num_layers": 2},
    "xlm": {"emb_dim": 192, "n_layers": 2},
}


def _drawn(folder: Path, reinit: Sequence[Reinit] = ()) -> tuple[Base, nn.Module]:
    files = ModelFiles(aliases={"m": folder})
    model = load_general(files, files.find("m"), ModelSpec("m", reinit=tuple(reinit)), "cpu")
    return model.encoder.base, model.encoder.taps.module


@pytest.mark.parametrize("family", WIDE)
def test_layers_and_embeddings_equal_a_fresh_models_in_distribution(family: str, tmp_path: Path) -> None:
    folder = build_general(family, tmp_path, **WIDE[family])
    base, variant = _drawn(folder, [Reinit((1, 2), embeddings=True)])
    state = torch.get_rng_state()
    torch.manual_seed(0)
    model = AutoModel.from_config(base.config)
    torch.set_rng_state(state)
    fresh = dict((model.get_encoder() if base.config.is_encoder_decoder else model).named_parameters())
    ours = dict(variant.named_parameters())
    redrawn = {name for part in base.structure.parts for name in part}
    assert {name for name in ours if "embed" in name or "layer" in name.lower() or "block" in name} - redrawn <= {
        "final_layer_norm.weight", "layer_norm.weight", "layer_norm.bias",
    }  # fmt: skip
    for name in redrawn:
        mine, theirs = ours[name], fresh[name].detach()
        assert mine.shape == theirs.shape
        if float(theirs.std()) == 0:
            assert torch.equal(mine, theirs), name
        elif theirs.numel() >= 4096:
            assert float(mine.std()) == pytest.approx(float(theirs.std()), rel=0.06), name
            assert abs(float(mine.mean())) < 6 * float(theirs.std()) / theirs.numel() ** 0.5, name
            np.testing.assert_array_equal((mine == 0).all(-1), (theirs == 0).all(-1), err_msg=name)


@pytest.mark.parametrize("scheme", ["model", "torch_default"])
def test_a_packed_family_draws_the_same_numbers_by_either_path(scheme: Scheme, tmp_path: Path) -> None:
    folder = build_model("bert", tmp_path)
    reinit = (Reinit((2, 3), embeddings=True, seed=7, scheme=scheme),)
    packed = load_model(ModelFiles(aliases={"m": folder}), ModelSpec("m", reinit=reinit)).encoder
    _, general = _drawn(folder, reinit)
    ours = dict(general.named_parameters())
    for number in (1, 2):
        at = f"encoder.layer.{number}."
        qkv, out, up, down = packed.blocks[number].linears()
        parts = [f"{at}attention.self.{name}" for name in ("query", "key", "value")]
        assert torch.equal(qkv.weight, torch.cat([ours[f"{part}.weight"] for part in parts]))
        for linear, name in ((out, "attention.output"), (up, "intermediate"), (down, "output")):
            assert torch.equal(linear.weight, ours[f"{at}{name}.dense.weight"])
            assert linear.bias is not None
            assert torch.equal(linear.bias, ours[f"{at}{name}.dense.bias"])
    assert torch.equal(packed.embeddings.word, ours["embeddings.word_embeddings.weight"])
    assert packed.embeddings.position is not None
    assert torch.equal(packed.embeddings.position, ours["embeddings.position_embeddings.weight"])


@pytest.mark.parametrize("family", ["deberta-v2", "mt5", "xlm"])
def test_all_other_tensors_are_the_base_models_own(family: str, tmp_path: Path) -> None:
    folder = build_general(family, tmp_path)
    before = torch.get_rng_state()
    base, variant = _drawn(folder, [Reinit((2,), seed=1)])
    kept = {name: parameter.clone() for name, parameter in base.module.named_parameters()}
    again = reinitialised(base, [Reinit((2,), seed=1)], "model m")
    other = reinitialised(base, [Reinit((2,), seed=2)], "model m")
    assert torch.equal(before, torch.get_rng_state())
    drawn = set(base.structure.parts[2])
    for name, parameter in base.module.named_parameters():
        assert torch.equal(parameter, kept[name])
        assert (variant.get_parameter(name) is parameter) == (name not in drawn)
        assert torch.equal(variant.get_parameter(name), again.get_parameter(name))
        if name in drawn and parameter.ndim > 1:
            assert not torch.equal(other.get_parameter(name), again.get_parameter(name))


def test_some_of_the_layers_that_share_a_block_are_refused(tmp_path: Path) -> None:
    folder = build_general("albert", tmp_path)
    with pytest.raises(InvalidArgument, match="layers 1, 2, 3, 4 of model m together, as they share a block") as caught:
        _drawn(folder, [Reinit((2, 3))])
    assert caught.value.field == "spec.model.reinit[0].layers"
    with pytest.raises(InvalidArgument, match="together"):
        _drawn(folder, [Reinit((1, 2, 3, 4), seed=1), Reinit((4,), seed=2)])
    base, variant = _drawn(folder, [Reinit((1, 2, 3, 4))])
    assert all(variant.get_parameter(name) is not base.module.get_parameter(name) for name in base.structure.parts[1])


def test_layers_that_do_not_exist_are_refused(tmp_path: Path) -> None:
    with pytest.raises(InvalidArgument, match=r"within 1\.\.3 for model m, but got 4"):
        _drawn(build_general("mt5", tmp_path), [Reinit((4,))])

"""Blocks and hidden states found in modules of transformers, and modules in which they cannot be told."""

from collections.abc import Mapping
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from transformers import AutoConfig, AutoModel

from services.models.general.proof import prove
from services.models.general.structure import Structure, Unfit, find
from services.models.general.taps import Site, Taps
from tests.support.general_models import GENERAL

LAST = Site("encoder.layer.3", 0)
IDS = torch.arange(5, 16)[None]


def _found(family: str, **settings: Any) -> tuple[Structure, nn.Module]:
    config = AutoConfig.for_model(family, **{"vocab_size": 400, **GENERAL[family].settings, **settings})
    torch.manual_seed(0)
    model = AutoModel.from_config(config).eval()
    module = model.get_encoder() if config.is_encoder_decoder else model
    told = {"xlm": {"langs": torch.ones_like(IDS)}, "xmod": {"lang_ids": torch.zeros(1, dtype=torch.int64)}}
    return find(module, {"input_ids": IDS, **told.get(family, {})}), module


@pytest.mark.parametrize(
    ("family", "settings", "first", "second", "last"),
    [
        ("rembert", {}, Site("encoder.embedding_hidden_mapping_in", 0), Site("encoder.layer.0", 0), LAST),
        ("xlm", {}, Site("layer_norm_emb", 0), Site("layer_norm2.0", 0), Site("layer_norm2.3", 0)),
        ("m2m_100", {}, Site("layers.0", 0, entry=True), Site("layers.0", 0), Site("layer_norm", 0)),
        ("xlm-roberta-xl", {}, Site("embeddings", 0), Site("encoder.layer.0", 0), Site("encoder.LayerNorm", 0)),
        # The convolution beside the first block belongs to hidden state 1.
        ("deberta-v2", {"conv_kernel_size": 3}, Site("embeddings", 0), Site("encoder.conv", 0), LAST),
    ],
)  # fmt: skip
def test_places_of_hidden_states(family: str, settings: dict[str, Any], first: Site, second: Site, last: Site) -> None:
    structure, _ = _found(family, **settings)
    assert (structure.sites[0], structure.sites[1], structure.sites[-1]) == (first, second, last)
    assert (structure.layers, structure.hidden_size) == (len(structure.sites) - 1, 48)


def test_a_shared_block_is_called_once_a_layer() -> None:
    structure, _ = _found("albert")
    assert [site.call for site in structure.sites[1:]] == [0, 1, 2, 3]
    assert len(set(structure.parts[1:])) == 1


def test_parts_of_a_model_do_not_overlap_and_leave_the_last_norm_out() -> None:
    structure, module = _found("xlm-roberta-xl")
    named = [name for part in structure.parts for name in part]
    assert len(named) == len(set(named))
    rest = {name for name, _ in module.named_parameters()} - set(named)
    assert {name.rsplit(".", 1)[0] for name in rest} == {"encoder.LayerNorm", "pooler.dense"}


def test_a_convolution_beside_a_block_is_drawn_with_it() -> None:
    structure, _ = _found("deberta-v2", conv_kernel_size=3)
    assert [name for name in structure.parts[1] if name.startswith("encoder.conv.")]
    assert "encoder.rel_embeddings.weight" in structure.parts[0]
    assert "encoder.LayerNorm.weight" in structure.parts[0]


def test_relative_positions_that_one_block_keeps_for_all_belong_to_the_embeddings() -> None:
    structure, _ = _found("mt5")
    table = "block.0.layer.0.SelfAttention.relative_attention_bias.weight"
    assert table in structure.parts[0]
    assert table not in structure.parts[1]
    own, _ = _found_umt5()
    assert table in own.parts[1]


def _found_umt5() -> tuple[Structure, nn.Module]:
    config = AutoConfig.for_model("umt5", vocab_size=400, **GENERAL["mt5"].settings)
    module = AutoModel.from_config(config).eval().get_encoder()
    return find(module, {"input_ids": IDS}), module


class Toy(nn.Module):
    """An encoder of two blocks that mix all tokens, with one fault.

    Args:
        fault: What is wrong with it; empty where nothing is.
    """

    def __init__(self, fault: str = "") -> None:
        super().__init__()
        self.fault = fault
        torch.manual_seed(0)
        self.table = nn.Embedding(64, 8)
        self.blocks = nn.ModuleList([nn.Linear(8, 8) for _ in range(2)])

    def forward(self, input_ids: Tensor, attention_mask: Tensor, output_hidden_states: bool = False) -> Any:
        seen = attention_mask[:, :, None].float()
        hidden = begin = self.table(input_ids)
        states = [hidden]
        for block in self.blocks:
            hidden = block(self._mixed(hidden, seen))
            if self.fault == "bypass":
                hidden = hidden + begin
            if self.fault == "outside":
                hidden = hidden * 2
            states.append(hidden)
        if self.fault == "none":
            return SimpleNamespace(hidden_states=None)
        if self.fault == "short":
            states = [state[:, :3] for state in states]
        if self.fault == "more":
            states.append(hidden * 3)
        return SimpleNamespace(hidden_states=tuple(states))

    def _mixed(self, hidden: Tensor, seen: Tensor) -> Tensor:
        if self.fault == "causal":
            return hidden + hidden.cumsum(1)
        if self.fault == "random":
            return hidden + torch.rand(1)
        if self.fault == "batch":
            return hidden + hidden.mean((0, 1))
        if self.fault == "padding":
            return hidden + hidden.mean(1, keepdim=True)
        return hidden + (hidden * seen).sum(1, keepdim=True)


def _inputs(texts: Any) -> Mapping[str, Tensor]:
    longest = max(map(len, texts))
    return {
        "input_ids": torch.tensor([[*text, *[0] * (longest - len(text))] for text in texts]),
        "attention_mask": torch.tensor([[1] * len(text) + [0] * (longest - len(text)) for text in texts]),
    }


def _proven(fault: str) -> bool:
    module, probe = Toy(fault), torch.randint(1, 64, (40,), generator=torch.Generator().manual_seed(1)).tolist()
    structure = find(module, _inputs([probe[:11]]))
    return prove(Taps(module, structure.sites), structure, _inputs, probe)


def test_a_sound_encoder_may_be_padded() -> None:
    assert _proven("")


def test_texts_are_not_padded_where_padding_is_seen() -> None:
    assert not _proven("padding")


@pytest.mark.parametrize(
    ("fault", "reason"),
    [
        ("none", "reports no hidden states"),
        ("short", "a hidden state for each token"),
        ("more", "no encoder blocks"),
        ("outside", "no module gives what it reports|no encoder blocks"),
        ("bypass", "no module gives what it reports|no encoder blocks"),
        ("causal", "does not see the last one"),
        ("random", "differs between two runs|no encoder blocks|no module gives"),
        ("batch", "depend on other texts"),
    ],
)
def test_what_cannot_be_hooked_is_refused(fault: str, reason: str) -> None:
    with pytest.raises(Unfit, match=reason):
        _proven(fault)


class Bypassing(Toy):
    """Each block gives hidden state l, and yet looks the tokens up again beside hidden state l - 1."""

    def forward(self, input_ids: Tensor, attention_mask: Tensor, output_hidden_states: bool = False) -> Any:
        hidden = self.table(input_ids)
        states = [hidden]
        for block in self.blocks:
            hidden = block(hidden.sum(1, keepdim=True) + self.table.weight[input_ids])
            states.append(hidden)
        return SimpleNamespace(hidden_states=tuple(states))


def test_blocks_that_see_more_than_the_state_below_are_refused() -> None:
    module, probe = Bypassing(), list(range(1, 40))
    structure = find(module, _inputs([probe[:11]]))
    with pytest.raises(Unfit, match="its block 1 sees more than hidden state 0"):
        prove(Taps(module, structure.sites), structure, _inputs, probe)

"""One model twice, ours and transformers' own, and the float64 references that tests hold against ours."""

import copy
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from transformers import AutoModel, PreTrainedModel

from services.encoder.engine import Engine
from services.encoder.loading import load_engine
from services.models.catalogue import ModelFiles
from services.models.spec import Edit, ModelSpec, Pooling, TokenizedText

PLAIN = (Pooling.MEAN, Pooling.CLS, Pooling.TOKEN)
"""The poolings of texts without words, spans or positions."""


@dataclass(frozen=True)
class Pair:
    """One model twice: ours, and transformers' own."""

    engine: Engine
    plain: PreTrainedModel
    folder: Path

    @classmethod
    def of(cls, folder: Path) -> "Pair":
        """Both from one folder, in float32."""
        engine = load_engine(ModelFiles(aliases={"model": folder}), ModelSpec("model"), threads=2)
        plain = AutoModel.from_pretrained(folder, dtype=torch.float32).eval()
        return cls(engine, plain, folder)

    def in_float64(self) -> "Pair":
        """The same with the plain model in float64."""
        return Pair(self.engine, copy.deepcopy(self.plain).double(), self.folder)

    def states(self, text: TokenizedText) -> NDArray[np.float32]:
        """transformers' `output_hidden_states` of one text alone: [L + 1, T, d]."""
        with torch.no_grad():
            out = self.plain(input_ids=torch.from_numpy(text.ids)[None], output_hidden_states=True)
        return torch.cat(out.hidden_states).numpy()

    def edited_states(self, text: TokenizedText, edits: Sequence[Edit]) -> NDArray[np.float32]:
        """Hidden states of one text under forward hooks on the plain model: [L + 1, T, d]."""
        seen: dict[int, Tensor] = {}
        content = torch.from_numpy(~text.special)

        def edited(layer: int, hidden: Tensor) -> Tensor:
            for edit in edits:
                if edit.layer == layer:
                    hidden = _edited(hidden, edit, content)
            seen[layer] = hidden
            return hidden

        blocks = _blocks(self.plain)
        handles = [blocks[0].register_forward_pre_hook(lambda _, args: (edited(0, args[0]), *args[1:]))]
        outputs = list(blocks)
        if hasattr(self.plain, "final_norm"):
            outputs[-1] = self.plain.final_norm
        for layer, module in enumerate(outputs, start=1):
            handles.append(module.register_forward_hook(lambda _, __, out, layer=layer: edited(layer, out)))
        try:
            with torch.no_grad():
                self.plain(input_ids=torch.from_numpy(text.ids)[None])
        finally:
            for handle in handles:
                handle.remove()
        return torch.cat([seen[layer] for layer in range(len(blocks) + 1)]).numpy()


def reduced(states: NDArray[np.float32], text: TokenizedText, pooling: Pooling) -> NDArray[np.float64]:
    """Hidden states [K, T, d] pooled in float64: [rows, K, d]."""
    wide = states.astype(np.float64)
    if pooling is Pooling.MEAN:
        return wide[:, ~text.special].mean(1)[None]
    return wide[:, :1].transpose(1, 0, 2) if pooling is Pooling.CLS else wide.transpose(1, 0, 2)


def _blocks(plain: PreTrainedModel) -> nn.ModuleList:
    """The blocks of any family."""
    lists = [module for module in plain.modules() if isinstance(module, nn.ModuleList)]
    return lists[0]


def _edited(hidden: Tensor, edit: Edit, content: Tensor) -> Tensor:
    """One edit of [1, T, d], from its definition."""
    if edit.vector is not None:
        shifted = hidden + edit.alpha * torch.from_numpy(edit.vector).to(hidden.dtype)
        hidden = shifted if edit.vector_positions == "all" else torch.where(content[None, :, None], shifted, hidden)
    if edit.matrix is not None:
        mapped = hidden @ torch.from_numpy(edit.matrix).to(hidden.dtype)
        if edit.bias is not None:
            mapped = mapped + torch.from_numpy(edit.bias).to(hidden.dtype)
        hidden = mapped if edit.matrix_positions == "all" else torch.where(content[None, :, None], mapped, hidden)
    return hidden

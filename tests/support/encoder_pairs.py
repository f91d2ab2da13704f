"""One model twice, ours and transformers' own, and the float64 references that tests hold against ours."""

import copy
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from itertools import count
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.utils.hooks import RemovableHandle
from transformers import AutoModel, PreTrainedModel

from services.encoder.engine import Engine
from services.encoder.graphs.shelf import Graphs
from services.encoder.loading import load_engine
from services.models.catalogue import ModelFiles
from services.models.spec import Edit, GraphType, ModelSpec, Pooling, Reinit, TokenizedText


@dataclass(frozen=True)
class Places:
    """Where the hidden states of a model of transformers are.

    Attributes:
        entry: Module whose first argument is hidden state 0; empty where `embeddings` gives it.
        block: Name of the module that gives hidden state l, with `{}` for l - 1; a pattern where blocks are shared.
        last: Module that gives the last hidden state, where that is no block.
        embeddings: Module that gives hidden state 0.
        shared: Whether blocks are run for several layers.
        language: Language tag that its texts are given; empty where it needs none.
    """

    entry: str
    block: str
    last: str = ""
    embeddings: str = ""
    shared: bool = False
    language: str = ""


PLAIN = (Pooling.MEAN, Pooling.CLS, Pooling.TOKEN)
"""The poolings of texts without words, spans or positions."""


@dataclass(frozen=True)
class Pair:
    """One model twice: ours, and transformers' own."""

    engine: Engine
    plain: PreTrainedModel
    folder: Path
    places: Places | None = None

    @classmethod
    def of(
        cls,
        folder: Path,
        *,
        places: Places | None = None,
        reinit: Sequence[Reinit] = (),
        graphs: Graphs | None = None,
        graph: GraphType = "float32",
    ) -> "Pair":
        """Both from one folder, in float32.

        Args:
            folder: The model.
            places: Where the hidden states of the plain model are; None where its blocks tell.
            reinit: Layers that ours draws anew; the plain one keeps its own.
            graphs: Where the graph is kept that computes ours; PyTorch computes it where None.
            graph: Arithmetic of that graph.
        """
        spec = ModelSpec("model", reinit=tuple(reinit), graph=None if graphs is None else graph)
        engine = load_engine(ModelFiles(aliases={"model": folder}), spec, threads=2, graphs=graphs)
        plain = AutoModel.from_pretrained(folder, dtype=torch.float32).eval()
        return cls(engine, plain.get_encoder() if plain.config.is_encoder_decoder else plain, folder, places)

    def in_float64(self) -> "Pair":
        """The same with the plain model in float64."""
        return Pair(self.engine, copy.deepcopy(self.plain).double(), self.folder, self.places)

    def tokenize(self, texts: Sequence[str], *, max_tokens: int | None = None) -> list[TokenizedText]:
        """Texts to tokens, in a language of the model where it must be told one."""
        language = self.places.language if self.places else ""
        return self.engine.tokenize(texts, max_tokens=max_tokens, languages=[language] * len(texts))

    def inputs(self, text: TokenizedText) -> dict[str, Tensor]:
        """The plain model's arguments for one text alone."""
        told = {} if text.language is None else {"lang_ids": torch.tensor([text.language])}
        if self.engine.info.family == "xlm":
            told = {"langs": torch.full((1, len(text)), text.language)}
        return {"input_ids": torch.from_numpy(text.ids)[None], **told}

    def states(self, text: TokenizedText) -> NDArray[np.float32]:
        """transformers' `output_hidden_states` of one text alone: [L + 1, T, d]."""
        with torch.no_grad():
            out = self.plain(**self.inputs(text), output_hidden_states=True)
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

        handles = self._hooked(edited)
        try:
            with torch.no_grad():
                self.plain(**self.inputs(text))
        finally:
            for handle in handles:
                handle.remove()
        return torch.cat([seen[layer] for layer in range(self.engine.info.layers + 1)]).numpy()

    def _hooked(self, edited: Callable[[int, Tensor], Tensor]) -> list[RemovableHandle]:
        """Forward hooks at the hidden states of the plain model."""
        places = self.places or _places(self.plain)
        find = self.plain.get_submodule
        handles = []
        if places.entry:
            handles.append(find(places.entry).register_forward_pre_hook(_first_entering(edited), with_kwargs=True))
        else:
            handles.append(find(places.embeddings).register_forward_hook(lambda _, __, out: edited(0, out)))
        if places.shared:
            hook = _counted(edited)
            blocks = [part for name, part in self.plain.named_modules() if fnmatchcase(name, places.block)]
            return [*handles, *(block.register_forward_hook(hook) for block in blocks)]
        last = self.engine.info.layers
        for layer in range(1, last + 1):
            name = places.last if layer == last and places.last else places.block.format(layer - 1)
            handles.append(find(name).register_forward_hook(_leaving(edited, layer)))
        return handles


def reduced(states: NDArray[np.float32], text: TokenizedText, pooling: Pooling) -> NDArray[np.float64]:
    """Hidden states [K, T, d] pooled in float64: [rows, K, d]."""
    wide = states.astype(np.float64)
    if pooling is Pooling.MEAN:
        return wide[:, ~text.special].mean(1)[None]
    return wide[:, :1].transpose(1, 0, 2) if pooling is Pooling.CLS else wide.transpose(1, 0, 2)


def _places(plain: PreTrainedModel) -> Places:
    """Where the hidden states of a packed family are: its blocks are its first list of modules."""
    name, _ = next((name, part) for name, part in plain.named_modules() if isinstance(part, nn.ModuleList))
    if plain.config.model_type == "albert":
        return Places(f"{name}.0", f"{name}.*.albert_layers.[0-9]", shared=True)
    known = {part for part, _ in plain.named_modules()}
    last = next((part for part in ("final_norm", "norm", "encoder.LayerNorm") if part in known), "")
    return Places(f"{name}.0", f"{name}.{{}}", last)


def _first_entering(edited: Callable[[int, Tensor], Tensor]) -> Callable[..., Any]:
    """A hook that edits hidden state 0 where it enters the first block, the first time."""
    calls = count()

    def hook(_: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        return None if next(calls) else ((edited(0, args[0]), *args[1:]), kwargs)

    return hook


def _leaving(edited: Callable[[int, Tensor], Tensor], layer: int) -> Callable[..., Any]:
    """A hook that edits what a module gives."""

    def hook(_: nn.Module, __: Any, out: Any) -> Any:
        return edited(layer, out) if isinstance(out, Tensor) else (edited(layer, out[0]), *out[1:])

    return hook


def _counted(edited: Callable[[int, Tensor], Tensor]) -> Callable[..., Any]:
    """A hook that edits what a block gives that is run for one layer after the other."""
    layers = count(1)

    def hook(module: nn.Module, args: Any, out: Any) -> Any:
        return _leaving(edited, next(layers))(module, args, out)

    return hook


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

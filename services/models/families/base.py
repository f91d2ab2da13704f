"""What a model family must say of itself, and what all families refuse alike."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from services.models.families.fields import MOST, MOST_LABELS, MOST_LAYERS, whole
from services.models.families.heads import HeadLayout
from services.models.layers.blocks import AnyNorm, Block
from services.models.layers.dropout import Dropout
from services.models.layers.linear import Activation
from services.models.layers.packing import PositionRule
from services.models.weights import Embeddings, SeparateEmbeddings, Source

ACTIVATIONS: dict[str, Activation] = {
    "gelu": "gelu",
    "gelu_new": "gelu_tanh",
    "gelu_pytorch_tanh": "gelu_tanh",
    "relu": "relu",
    "silu": "silu",
    "swish": "silu",
}
"""transformers' names of the activations offered."""

WEIGHT_TYPES = ("auto", "float32", "float16", "bfloat16", "float64")
"""Types that a configuration may name for its weights; they are served as float32 all the same."""

_COUNTS = {
    "num_hidden_layers": whole(1, MOST_LAYERS),
    "n_layers": whole(1, MOST_LAYERS),
    "num_labels": whole(0, MOST_LABELS),
}
"""Numbers for each of which transformers makes a list of that length as soon as it reads a configuration."""

DEFAULT_STD = 0.02
"""transformers' standard deviation where a configuration gives none or zero."""


@dataclass(frozen=True)
class Dimensions:
    """Sizes of a model.

    Attributes:
        layers: Blocks, L.
        hidden_size: d.
        heads: Attention heads.
        vocabulary_size: Rows of the word embeddings.
        max_tokens: Longest input, special tokens included.
    """

    layers: int
    hidden_size: int
    heads: int
    vocabulary_size: int
    max_tokens: int


class Family(Protocol):
    """One kind of encoder. `config` is transformers' configuration object, layers count from 1."""

    prefixes: tuple[str, ...]
    """Prefixes of the encoder's tensors in a checkpoint that has a head; such a checkpoint may also have none."""
    word_table: str
    """Name of the word embeddings, by which the prefix is recognised."""
    owned: tuple[str, ...]
    """Beginnings of the names of tensors that belong to the embeddings: an unknown one is refused."""
    block_prefix: str
    """Beginning of the names of the blocks' tensors, before the block's number."""

    general: bool
    """Whether what is refused here is served by transformers' own modules instead."""

    def refusal(self, config: Any) -> str:
        """Why a model of this family cannot be served packed; empty where it can."""

    def languages(self, config: Any) -> tuple[str, ...]:
        """The languages of which a text must name one, in the order of what each has of its own; empty for none."""

    def dimensions(self, config: Any) -> Dimensions:
        """Its sizes."""

    def position_rule(self, config: Any) -> PositionRule:
        """Token ids of one text to position ids."""

    def embeddings(self, source: Source, config: Any) -> Embeddings | SeparateEmbeddings:
        """Hidden state 0."""

    def block(self, source: Source, config: Any, layer: int) -> Block:
        """The block whose output is hidden state `layer`."""

    def lowest(self, config: Any, layer: int) -> int:
        """The lowest layer that has the weights of a layer: another one where layers share a block."""

    def final_norm(self, source: Source, config: Any) -> AnyNorm | None:
        """The norm of the last hidden state, where transformers' last hidden state is after it."""

    def head(self, config: Any) -> HeadLayout:
        """Where its masked-language-model head is, in a checkpoint that has one."""

    def dropout(self, config: Any) -> Dropout:
        """Dropout in training, where and as transformers has it."""


def sharing(family: Family, config: Any) -> list[int]:
    """For each block, from 1, the lowest layer that has its weights."""
    return [family.lowest(config, layer) for layer in range(1, family.dimensions(config).layers + 1)]


def tied(config: Any) -> bool:
    """Whether the output layer shares the word table."""
    return bool(getattr(config, "tie_word_embeddings", True))


def initial_std(config: Any) -> float:
    """Standard deviation of the model's own draw."""
    return float(config.initializer_range or DEFAULT_STD)


def count_positions(ids: NDArray[np.int64]) -> NDArray[np.int64]:
    """Position ids 0..T-1 of a text of T tokens."""
    return np.arange(ids.shape[0], dtype=np.int64)


def common_refusal(raw: Mapping[str, Any]) -> str:
    """Why a model cannot be served, by its config.json alone, whatever its family; empty where nothing speaks against.

    Args:
        raw: config.json as it was read.
    """
    if raw.get("auto_map"):
        return "its configuration names code of its own (`auto_map`), which is never run"
    if raw.get("is_encoder_decoder"):
        return "it is an encoder-decoder (`is_encoder_decoder`); only encoders are served"
    if raw.get("is_decoder") or raw.get("add_cross_attention"):
        name = "is_decoder" if raw.get("is_decoder") else "add_cross_attention"
        return f"it is a decoder (`{name}`); only encoders are served"
    if raw.get("quantization_config"):
        return "its weights are quantised (`quantization_config`)"
    if raw.get("position_embedding_type", "absolute") != "absolute":
        return f"its `position_embedding_type` is {raw['position_embedding_type']!r}; only 'absolute' is offered"
    for name, check in _COUNTS.items():
        value = raw.get(name)
        if value is not None and (expected := check(value)):
            return f"Expected `{name}` in config.json to be {expected}, but got {value!r}"
    for name, value in raw.items():
        # transformers makes tables of positions that no tensor of the checkpoint limits.
        if "position" in name and isinstance(value, int) and value > MOST:
            return f"Expected `{name}` in config.json to be at most {MOST}, but got {value}"
    for name in ("dtype", "torch_dtype"):
        value = raw.get(name)
        if value is not None and (not isinstance(value, str) or value.removeprefix("torch.") not in WEIGHT_TYPES):
            return f"Expected `{name}` in config.json to be one of {', '.join(WEIGHT_TYPES)}, but got {value!r}"
    return ""


def activation_refusal(field: str, name: object) -> str:
    """Why the activation of a field is not offered; empty where it is."""
    if isinstance(name, str) and name in ACTIVATIONS:
        return ""
    return f"its activation is {name!r}; offered are {', '.join(ACTIVATIONS)} as `{field}`"

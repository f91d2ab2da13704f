"""What a client may ask of a model: the weights, the edits, the layers, the pooling. No torch and no gRPC here."""

import hashlib
from dataclasses import dataclass, field
from enum import Enum
from functools import cached_property
from typing import Literal

import numpy as np
from numpy.typing import NDArray

Scheme = Literal["model", "torch_default"]
Positions = Literal["non_special", "all"]
ComputeType = Literal["float32", "bfloat16"]
EngineName = Literal["packed", "general"]


class Pooling(Enum):
    """What the hidden states of a text are reduced to."""

    MEAN = "mean"
    """The mean over positions that are not special tokens: one row a text."""
    CLS = "cls"
    """The first position: one row a text."""
    TOKEN = "token"  # noqa: S105
    """Every position, special tokens included: one row a token."""


class Overflow(Enum):
    """What to do with a text of more tokens than the limit."""

    REFUSE = "refuse"
    TRUNCATE = "truncate"


@dataclass(frozen=True)
class Reinit:
    """Layers drawn anew after loading: RANDOM-INIT of Muller et al. 2021, section 2.1.

    Attributes:
        layers: Blocks, 1..L.
        embeddings: Whether the embedding tables and their norm are drawn as well.
        seed: Seed of the draw. Each layer's numbers depend on the seed and on that layer alone.
        scheme: `model` is the model's own rule; `torch_default` are PyTorch's constructor defaults.
    """

    layers: tuple[int, ...] = ()
    embeddings: bool = False
    seed: int = 0
    scheme: Scheme = "model"


@dataclass(frozen=True)
class ModelSpec:
    """Determines a model's weights; the registry's key.

    Attributes:
        name: A hub id, or a folder relative to one of the roots.
        revision: A hub revision; empty for the default branch.
        reinit: Draws, applied in order.
    """

    name: str
    revision: str = ""
    reinit: tuple[Reinit, ...] = ()


@dataclass(frozen=True, eq=False)
class Edit:
    """An edit of the hidden states of one layer: first the shift, then the linear map.

    Attributes:
        layer: 0 is the embedding output, 1..L the blocks.
        vector: [d] float32, added `alpha` times (Liu et al. 2020, section 4); None for no shift.
        alpha: Factor of `vector`; 0 leaves every bit as it was.
        vector_positions: Positions that the shift touches.
        matrix: W, [d, d] float32: each row h becomes `h W + b`; None for no map.
        bias: b, [d] float32; None for zero.
        matrix_positions: Positions that the map touches.
    """

    layer: int
    vector: NDArray[np.float32] | None = None
    alpha: float = 0.0
    vector_positions: Positions = "non_special"
    matrix: NDArray[np.float32] | None = None
    bias: NDArray[np.float32] | None = None
    matrix_positions: Positions = "all"

    @cached_property
    def digest(self) -> str:
        """SHA-256 over everything that the edit does: equal digests, equal edits."""
        digest = hashlib.sha256(
            repr((self.layer, self.alpha, self.vector_positions, self.matrix_positions)).encode("ascii")
        )
        for name, array in (("vector", self.vector), ("matrix", self.matrix), ("bias", self.bias)):
            if array is not None:
                digest.update(f"{name}{array.dtype.str}{array.shape}".encode("ascii"))
                digest.update(np.ascontiguousarray(array).tobytes())
        return digest.hexdigest()


@dataclass(frozen=True, eq=False)
class EncodePlan:
    """What to compute for every text of a batch.

    Attributes:
        layers: Hidden states wanted, 0..L, in the order of the answer; not empty.
        pooling: Pooling of the hidden states.
        edits: Applied in order.
        dtype: Arithmetic of the linear layers and of attention.
    """

    layers: tuple[int, ...]
    pooling: Pooling = Pooling.MEAN
    edits: tuple[Edit, ...] = ()
    dtype: ComputeType = "float32"

    @cached_property
    def key(self) -> tuple[object, ...]:
        """Hashable; texts whose plans have equal keys may share a batch."""
        return (self.layers, self.pooling, tuple(edit.digest for edit in self.edits), self.dtype)


@dataclass(frozen=True)
class ModelInfo:
    """What is known about a model that is loaded.

    Attributes:
        name: The name by which requests call it.
        revision: The revision asked for; empty for the default.
        family: The Hugging Face model type, `bert`.
        layers: Number of blocks, L; hidden states are 0..L.
        hidden_size: d.
        heads: Attention heads a block.
        vocabulary_size: Rows of the word embeddings.
        max_tokens: Longest input in tokens, special tokens included.
        parameters: Numbers in the tensors served.
        digest: SHA-256 over configuration, tokenizer and weights, with the re-initialisation.
        predicts_tokens: Whether the checkpoint carries a masked-language-model head.
        engine: What computes it: `packed`, the families' own blocks without padding; `general`, transformers' modules.
        languages: The languages of which a text must name one; empty where the model needs none.
    """

    name: str
    revision: str
    family: str
    layers: int
    hidden_size: int
    heads: int
    vocabulary_size: int
    max_tokens: int
    parameters: int
    digest: str
    predicts_tokens: bool
    engine: EngineName = "packed"
    languages: tuple[str, ...] = ()


@dataclass(frozen=True, eq=False)
class TokenizedText:
    """One text as a model sees it.

    Attributes:
        ids: [T] int64, special tokens included.
        special: [T] bool, True for the tokens that the tokenizer put around the text.
        starts: [T] int32, first code point of each token; equal to `ends` for special tokens.
        ends: [T] int32, one past the last code point.
        truncated: Whether the text was cut to T tokens.
        full_length: Tokens before cutting; at least so many where `whole` is false.
        whole: Whether all of the text was cut into tokens, not only as much as gives the T that are kept.
        language: What a model that must be told the language takes for it; None where a token says it, or nothing.
    """

    ids: NDArray[np.int64]
    special: NDArray[np.bool_]
    starts: NDArray[np.int32] = field(repr=False)
    ends: NDArray[np.int32] = field(repr=False)
    truncated: bool
    full_length: int
    whole: bool = True
    language: int | None = None

    def __len__(self) -> int:
        return int(self.ids.shape[0])

    @property
    def content_length(self) -> int:
        """Number of tokens that are not special."""
        return len(self) - int(self.special.sum())

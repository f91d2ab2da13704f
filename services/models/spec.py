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
ComputeType = Literal["float32", "bfloat16", "int8"]
EngineName = Literal["packed", "general", "onnx"]
BackendName = Literal["torch", "onnx"]
GraphType = Literal["float32", "int8"]


class Pooling(Enum):
    """What the hidden states of a text are reduced to."""

    MEAN = "mean"
    """The mean over positions that are not special tokens: one row a text."""
    CLS = "cls"
    """The first position: one row a text."""
    TOKEN = "token"  # noqa: S105
    """Every position, special tokens included, or the positions that a text names: one row a token."""
    WORD_FIRST = "word_first"
    """The first piece of each word: one row a word."""
    WORD_MEAN = "word_mean"
    """The mean of the pieces of each word: one row a word."""
    SPAN = "span"
    """The mean of the pieces that overlap each of a text's spans: one row a span."""


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
    """Determines a model's weights, and what computes them; the registry's key.

    Attributes:
        name: A hub id, or a folder relative to one of the roots.
        revision: A hub revision; empty for the default branch.
        reinit: Draws, applied in order.
        graph: Arithmetic of the ONNX graph that computes it; None where PyTorch does.
    """

    name: str
    revision: str = ""
    reinit: tuple[Reinit, ...] = ()
    graph: GraphType | None = None


@dataclass(frozen=True)
class ArrayOrigin:
    """The model that an array of an edit was computed with.

    Attributes:
        array: The array, by its path within the edit: `shift.vector`.
        digest: Digest of the model.
        model: Name of the model; empty where it is not known.
    """

    array: str
    digest: str
    model: str = ""


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
        origins: Models that the arrays were computed with, of which the edit must be; empty where any model will do.
    """

    layer: int
    vector: NDArray[np.float32] | None = None
    alpha: float = 0.0
    vector_positions: Positions = "non_special"
    matrix: NDArray[np.float32] | None = None
    bias: NDArray[np.float32] | None = None
    matrix_positions: Positions = "all"
    origins: tuple[ArrayOrigin, ...] = ()

    @property
    def is_identity(self) -> bool:
        """Whether it leaves every bit as it was."""
        return self.matrix is None and (self.vector is None or self.alpha == 0.0)

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


@dataclass(frozen=True, eq=False)
class PredictPlan:
    """What to predict for every token of every text of a batch.

    Attributes:
        settings: Sets of edits, each of which is predicted under; not empty. What several have in common up to some
            layer is computed once.
        layers: Hidden states to which the head is applied, 0..L, in the order of the answer; not empty. The last is
            what the model was trained with, the others are the logit lens.
        top_k: Candidates a position.
        dtype: Arithmetic of the linear layers, of attention and of the head.
        shared: Edits at the beginning of each setting that were asked for once for all of them.
        scores: Whether log-probabilities are wanted; the likeliest token alone takes less.
    """

    settings: tuple[tuple[Edit, ...], ...]
    layers: tuple[int, ...]
    top_k: int = 1
    dtype: ComputeType = "float32"
    shared: int = 0
    scores: bool = True

    @cached_property
    def key(self) -> tuple[object, ...]:
        """Hashable; texts whose plans have equal keys may share a batch."""
        settings = tuple(tuple(edit.digest for edit in edits) for edits in self.settings)
        return (settings, self.layers, self.top_k, self.dtype, self.scores)

    @property
    def candidates(self) -> int:
        """Candidates a token, over all settings and layers."""
        return len(self.settings) * len(self.layers) * self.top_k


Plan = EncodePlan | PredictPlan
"""What a stream of texts may ask of a model."""


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
        headless: Why it carries none that can be served; empty where it does, or where it was not looked for.
        engine: What computes it: `packed`, the families' own blocks without padding; `general`, transformers' modules;
            `onnx`, ONNX Runtime.
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
    headless: str = ""
    engine: EngineName = "packed"
    languages: tuple[str, ...] = ()


@dataclass(frozen=True, eq=False)
class RowGroups:
    """The rows of one text's answer: each is the mean of some of the text's tokens.

    Attributes:
        tokens: [M] int64, places of tokens in the text, row after row; a token may be in several rows.
        counts: [R] int64, tokens of each row; a row of no token is zero.
    """

    tokens: NDArray[np.int64]
    counts: NDArray[np.int64]

    def __len__(self) -> int:
        return int(self.counts.shape[0])

    @cached_property
    def empty(self) -> tuple[int, ...]:
        """Rows of no token."""
        return tuple(np.flatnonzero(self.counts == 0).tolist())


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
        groups: Rows of the answer where the text itself determines them: its words, spans or positions. None where the
            pooling alone does.
        language: What a model that must be told the language takes for it; None where a token says it, or nothing.
    """

    ids: NDArray[np.int64]
    special: NDArray[np.bool_]
    starts: NDArray[np.int32] = field(repr=False)
    ends: NDArray[np.int32] = field(repr=False)
    truncated: bool
    full_length: int
    whole: bool = True
    groups: RowGroups | None = field(default=None, repr=False)
    language: int | None = None

    def __len__(self) -> int:
        return int(self.ids.shape[0])

    @property
    def content_length(self) -> int:
        """Number of tokens that are not special."""
        return len(self) - int(self.special.sum())


@dataclass(frozen=True, eq=False)
class Prediction:
    """What a model's head says at every position of one text.

    Attributes:
        token_ids: [T, settings, layers, k] int32, the likeliest first; of equally likely ones the lowest first.
        log_probabilities: [T, settings, layers, k] float32, natural logarithms; k is 0 where they were not wanted.
    """

    token_ids: NDArray[np.int32]
    log_probabilities: NDArray[np.float32]

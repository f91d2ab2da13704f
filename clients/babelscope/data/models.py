"""What determines the hidden states of a text: the model, its re-initialised layers, and edits on the way."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any, Final, Literal, Self, TypeVar

import numpy as np
from numpy.typing import NDArray

from babelscope.data.tensors import to_proto
from babelscope.data.texts import whole_number
from babelscope.v1 import model_pb2
from babelscope.v1.tensor_pb2 import DATA_TYPE_F32, DATA_TYPE_F64

Scheme = Literal["model", "torch_default"]
"""How a re-initialised layer is drawn: by the model's own rule, or by PyTorch's constructor defaults."""

Positions = Literal["non_special", "all"]
"""Which positions of a text an edit touches."""

_SCHEMES: Final[dict[Scheme, "model_pb2.ReinitScheme.ValueType"]] = {
    "model": model_pb2.REINIT_SCHEME_MODEL,
    "torch_default": model_pb2.REINIT_SCHEME_TORCH_DEFAULT,
}
_POSITIONS: Final[dict[Positions | None, "model_pb2.Positions.ValueType"]] = {
    None: model_pb2.POSITIONS_UNSPECIFIED,
    "non_special": model_pb2.POSITIONS_NON_SPECIAL,
    "all": model_pb2.POSITIONS_ALL,
}


K = TypeVar("K")
V = TypeVar("V")


def choose(table: Mapping[K, V], field: str, key: K) -> V:
    """Looks an option up.

    Raises:
        ValueError: There is no such option; the message names those there are.
    """
    try:
        return table[key]
    except KeyError:
        allowed = ", ".join(repr(known) for known in table)
        raise ValueError(f"Expected `{field}` to be one of {allowed}, but got {key!r}") from None


def check_layers(layers: object) -> list[int]:
    """Layers as the contract takes them: all of the model's are an empty list there, and None here.

    Args:
        layers: Whole numbers in a sequence or an array, or None for all.

    Raises:
        TypeError: It is neither.
        ValueError: It is empty.
    """
    if layers is None:
        return []
    if isinstance(layers, str | bytes | Mapping) or not isinstance(layers, Iterable):
        raise TypeError(f"Expected `layers` to be a list of whole numbers, or None for all, but got {layers!r}")
    if isinstance(layers, np.ndarray) and layers.ndim != 1:
        raise TypeError(f"Expected `layers` to be a list of whole numbers, but got an array of shape {layers.shape}")
    given = list(layers)
    for layer in given:
        if isinstance(layer, bool | np.bool_) or not isinstance(layer, int | np.integer):
            raise TypeError(f"Expected `layers` to hold whole numbers, but got {layer!r}")
    if not given:
        raise ValueError("Expected at least one layer in `layers`, or None for all, but got none")
    return [int(layer) for layer in given]


@dataclass(frozen=True, slots=True)
class Reinit:
    """RANDOM-INIT (Muller et al. 2021, section 2.1): layers drawn anew after loading.

    Args:
        layers: Blocks, 1..L.
        embeddings: The embedding tables and their norm as well.
        seed: Seed of the generator.
        scheme: The distribution.
    """

    layers: tuple[int, ...] = ()
    embeddings: bool = False
    seed: int = 0
    scheme: Scheme = "model"

    def __str__(self) -> str:
        parts = ["embeddings"] if self.embeddings else []
        parts += [format_layers(self.layers)] if self.layers else []
        scheme = "" if self.scheme == "model" else f"/{self.scheme}"
        return f"{'+'.join(parts)}@{self.seed}{scheme}"

    @classmethod
    def from_proto(cls, reinit: model_pb2.ReinitLayers) -> "Reinit":
        """Reads a message of the contract; a scheme that is not known is the model's own."""
        scheme: Scheme = next((name for name, value in _SCHEMES.items() if value == reinit.scheme), "model")
        return cls(tuple(reinit.layers), reinit.embeddings, reinit.seed, scheme)

    def to_proto(self) -> model_pb2.ReinitLayers:
        """The re-initialisation as a message of the contract.

        Raises:
            ValueError: There is no such scheme.
        """
        return model_pb2.ReinitLayers(
            layers=self.layers,
            embeddings=self.embeddings,
            seed=self.seed,
            scheme=choose(_SCHEMES, "scheme", self.scheme),
        )


@dataclass(frozen=True, slots=True)
class Model:
    """Determines a model's weights.

    Args:
        name: A hub id (`org/name`), an alias or a folder under one of the server's roots, or `checkpoints/ID`.
        revision: A hub revision; empty for the default branch.
        reinit: Layers to draw anew after loading, in order.
    """

    name: str
    revision: str = ""
    reinit: tuple[Reinit, ...] = ()

    @classmethod
    def of(cls, model: "Model | str") -> "Model":
        """A model as it is, a string as the model of that name.

        Raises:
            TypeError: It is neither.
        """
        if isinstance(model, Model):
            return model
        if isinstance(model, str):
            return cls(model)
        raise TypeError(f"Expected `model` to be a Model or the name of one as the server knows it, but got {model!r}")

    def reinit_layers(
        self, layers: Iterable[int] = (), seed: int = 0, *, embeddings: bool = False, scheme: Scheme = "model"
    ) -> Self:
        """The same model with some layers drawn anew, after those drawn already."""
        return replace(self, reinit=(*self.reinit, Reinit(tuple(layers), embeddings, seed, scheme)))

    @property
    def reinit_label(self) -> str:
        """The re-initialisation in short: `1-2@0`; empty where there is none."""
        return ",".join(map(str, self.reinit))

    def __str__(self) -> str:
        revision = f"@{self.revision}" if self.revision else ""
        reinit = f" reinit {self.reinit_label}" if self.reinit else ""
        return f"{self.name}{revision}{reinit}"

    @classmethod
    def from_proto(cls, model: model_pb2.ModelRef) -> "Model":
        """Reads a message of the contract."""
        return cls(model.name, model.revision, tuple(map(Reinit.from_proto, model.reinit)))

    def to_proto(self) -> model_pb2.ModelRef:
        """The model as a message of the contract."""
        return model_pb2.ModelRef(
            name=self.name, revision=self.revision, reinit=[reinit.to_proto() for reinit in self.reinit]
        )


@dataclass(frozen=True, slots=True, eq=False)
class Shift:
    """Adds `alpha * (vector - origin)` (Liu et al. 2020, section 4).

    Args:
        vector: [d] float32 or float64, or the name under which the store keeps it (`vectors/ID`); of means by layer,
            that of the intervention's layer counts.
        alpha: Its factor; 0 leaves every bit as it was.
        positions: Positions touched; the non-special ones where None.
        origin: Subtracted from `vector`, given likewise; zero where None.
        model_digest: `ModelInfo.digest` of the model that the arrays were computed with; empty where it is not known.
            Names in the store say it themselves.
    """

    vector: NDArray[np.floating[Any]] | str
    alpha: float = 1.0
    positions: Positions | None = None
    origin: NDArray[np.floating[Any]] | str | None = None
    model_digest: str = ""

    def to_proto(self) -> model_pb2.Shift:
        """The shift as a message of the contract."""
        positions = choose(_POSITIONS, "positions", self.positions)
        vector, digest = _array(self.vector, self.model_digest), self.model_digest
        origin = None if self.origin is None else _array(self.origin, digest)
        return model_pb2.Shift(vector=vector, alpha=self.alpha, positions=positions, origin=origin)


@dataclass(frozen=True, slots=True, eq=False)
class LinearMap:
    """Replaces each row h by `h W + b`.

    Args:
        matrix: W, [d, d] float32 or float64, rows multiplied from the left, or its name in the store (`maps/ID`).
        bias: b, [d]; zero where None.
        positions: Positions touched; all where None.
        model_digest: `ModelInfo.digest` of the model that the map was fitted on; empty where it is not known.
    """

    matrix: NDArray[np.floating[Any]] | str
    bias: NDArray[np.floating[Any]] | str | None = None
    positions: Positions | None = None
    model_digest: str = ""

    def to_proto(self) -> model_pb2.LinearMap:
        """The map as a message of the contract."""
        positions = choose(_POSITIONS, "positions", self.positions)
        bias = None if self.bias is None else _array(self.bias, self.model_digest)
        matrix = _array(self.matrix, self.model_digest)
        return model_pb2.LinearMap(matrix=matrix, bias=bias, positions=positions)


@dataclass(frozen=True, slots=True, eq=False)
class Intervention:
    """An edit of the hidden states of one layer, seen by that layer's output and by every later layer.

    Args:
        layer: 0 is the embedding output, 1..L the blocks.
        shift: Comes first.
        linear_map: Comes second.
        allow_other_model: Whether arrays may have been computed with another model than the one they are applied to;
            otherwise these are refused.
    """

    layer: int
    shift: Shift | None = None
    linear_map: LinearMap | None = None
    allow_other_model: bool = False

    def to_proto(self) -> model_pb2.Intervention:
        """The intervention as a message of the contract."""
        return model_pb2.Intervention(
            layer=self.layer,
            shift=None if self.shift is None else self.shift.to_proto(),
            linear_map=None if self.linear_map is None else self.linear_map.to_proto(),
            allow_other_model=self.allow_other_model,
        )


@dataclass(frozen=True, slots=True)
class Unloaded:
    """What became of a model and its re-initialised variants.

    Args:
        dropped: Number of those dropped from memory.
        in_use: Number of those in use, or being loaded, which are dropped once they are no longer used.
    """

    dropped: int
    in_use: int


@dataclass(frozen=True, slots=True)
class ModelInfo:
    """What a server knows about a model.

    Args:
        name: The name by which requests call it.
        revision: Revision asked for, empty for the default.
        family: transformers' model type: `bert`, `xlm-roberta`.
        layers: Number of blocks, L. Hidden states are 0..L.
        hidden_size: Width of the hidden states, d.
        heads: Attention heads a block.
        vocabulary_size: Entries of the vocabulary.
        max_tokens: Longest input in tokens, special tokens included.
        parameters: Number of parameters served.
        digest: SHA-256 over configuration, tokenizer and weights, with the re-initialisation; empty until loaded.
        state: `available`, `loading`, `ready` or `refused`.
        reason: Why it is refused.
        predicts_tokens: Whether it predicts masked tokens.
        poolings: Poolings offered: `mean`, `cls`, `token`, `word_first`, `word_mean`, `span`.
        engine: What computes it: `packed`, blocks without padding; `general`, transformers' own modules; `onnx`, ONNX
            Runtime; `unspecified` until it is loaded.
        languages: Languages of which every text must name one, by the model's own names; empty where it needs none.
        backends: Back ends by which a request may have it computed, once it is loaded: `torch`, `onnx`.
        onnx_reason: Why `onnx` is not among them.
    """

    name: str
    revision: str = ""
    family: str = ""
    layers: int = 0
    hidden_size: int = 0
    heads: int = 0
    vocabulary_size: int = 0
    max_tokens: int = 0
    parameters: int = 0
    digest: str = ""
    state: str = "unspecified"
    reason: str = ""
    predicts_tokens: bool = False
    poolings: tuple[str, ...] = ()
    engine: str = "unspecified"
    languages: tuple[str, ...] = ()
    backends: tuple[str, ...] = ()
    onnx_reason: str = ""

    @classmethod
    def from_proto(cls, model: model_pb2.Model) -> "ModelInfo":
        """Reads a message of the contract."""
        return cls(
            name=model.name,
            revision=model.revision,
            family=model.family,
            layers=model.layers,
            hidden_size=model.hidden_size,
            heads=model.heads,
            vocabulary_size=model.vocabulary_size,
            max_tokens=model.max_tokens,
            parameters=model.parameters,
            digest=model.digest,
            state=enum_name(model_pb2.ModelState, model.state, "MODEL_STATE_"),
            reason=model.reason,
            predicts_tokens=model.predicts_tokens,
            poolings=tuple(enum_name(model_pb2.Pooling, pooling, "POOLING_") for pooling in model.poolings),
            engine=enum_name(model_pb2.Engine, model.engine, "ENGINE_"),
            languages=tuple(model.languages),
            backends=tuple(enum_name(model_pb2.Backend, backend, "BACKEND_") for backend in model.backends),
            onnx_reason=model.onnx_reason,
        )


def enum_name(enum: Any, value: int, prefix: str) -> str:
    """An enum's value in short and lower case: `mean`; the number where a newer server sends an unknown one."""
    known = enum.DESCRIPTOR.values_by_number.get(value)
    name = str(value) if known is None else str(known.name)
    return name.removeprefix(prefix).lower()


def format_layers(layers: Iterable[int]) -> str:
    """Layers in short: `1-3,6`."""
    runs: list[list[int]] = []
    for layer in sorted(set(layers)):
        if runs and layer == runs[-1][1] + 1:
            runs[-1][1] = layer
        else:
            runs.append([layer, layer])
    return ",".join(str(first) if first == last else f"{first}-{last}" for first, last in runs)


MOST_LAYERS: Final = 9999
"""Highest layer that may be asked for; no model has so many."""


def parse_layers(text: str) -> tuple[int, ...]:
    """Reads layers written in short: `1-3,6`.

    Raises:
        ValueError: It is not a list of layers and ranges.
    """
    layers: list[int] = []
    for part in text.split(","):
        first, dash, last = part.strip().partition("-")
        begin, end = whole_number(first), whole_number(last if dash else first)
        if begin is None or end is None:
            raise ValueError(f"Expected layers such as 1-3,6, but got {text[:80]!r}")
        if end > MOST_LAYERS:
            raise ValueError(f"Expected layers up to {MOST_LAYERS}, but got {text[:80]!r}")
        layers += range(begin, end + 1)
    if not layers:
        raise ValueError(f"Expected layers such as 1-3,6, but got {text!r}")
    return tuple(dict.fromkeys(layers))


def _array(values: NDArray[np.floating[Any]] | str, digest: str) -> model_pb2.ArrayRef:
    """An array inline with the digest of its model, a name as an artifact of the store, which says it itself."""
    if isinstance(values, str):
        return model_pb2.ArrayRef(artifact=values)
    array = np.asarray(values)
    dtype = DATA_TYPE_F64 if array.dtype == np.float64 else DATA_TYPE_F32
    return model_pb2.ArrayRef(inline=to_proto(array, dtype), model_digest=digest)

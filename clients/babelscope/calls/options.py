"""The options that calls share, each described once.

Methods take them as keywords: `def compare(self, views, ..., **options: Unpack[PairOptions])`.
"""

from collections.abc import Mapping, Sequence
from typing import Literal, TypedDict

from babelscope.data.models import Intervention, Model

Pooling = Literal["mean", "cls", "token", "word_first", "word_mean", "span"]
"""What the hidden states of a text are reduced to."""

Overflow = Literal["refuse", "truncate"]
"""What to do with a text of more tokens than the model takes."""

FloatType = Literal["float32", "bfloat16"]
"""Elements of the answer on their way, and arithmetic of PyTorch. Arrays are float32 in either case."""

ComputeType = Literal["float32", "bfloat16", "int8"]
"""Arithmetic of the model: `bfloat16` under back end `torch`, `int8` under `onnx`."""

Backend = Literal["torch", "onnx"]
"""What computes the model: PyTorch, or ONNX Runtime on an exported graph."""


class InputOptions(TypedDict, total=False):
    """How texts are read."""

    overflow: Overflow
    """`refuse` (the default) or `truncate` texts of too many tokens."""
    max_tokens: int | None
    """Longest input in tokens; the model's own limit where None."""
    language: str
    """Language tag of texts that name none; read by models that must be told the language of a text."""


class EncodeOptions(InputOptions, total=False):
    """How texts are encoded."""

    layers: Sequence[int] | None
    """Hidden states wanted, 0..L, in the order of the answer; all where None."""
    pooling: Pooling
    """`mean` over the tokens that are not special (the default), `cls`, `token` for every position or those that a text
    names, `word_first` or `word_mean` for a row a word (its first piece, or the mean of its pieces), `span` for a row a
    span."""
    interventions: Sequence[Intervention]
    """Edits of the hidden states; none by default."""
    compute_dtype: ComputeType
    """Arithmetic of the model; `float32` by default. Under `int8` a text's rows depend on the texts beside it."""
    backend: Backend
    """What computes the model: `torch` (the default) or `onnx`, whose graph is exported at the first request."""


class ViewOptions(EncodeOptions, total=False):
    """How views of texts that say nothing else are encoded.

    Where a row is a word, a span or a position, its id is `TEXT#NUMBER`, from 0; with `token`, each text names its
    positions.
    """

    model: Model | str | None
    """Weights for views that name none."""


class PairOptions(ViewOptions, total=False):
    """How views are encoded, and how the rows and layers of two of them are paired."""

    alignment: str
    """`strict` (the default), or `intersect` to use the ids that both sides have."""
    layer_pairing: str
    """`same` (the default), or `all` for every layer with every layer."""


class RetrieveOptions(PairOptions, total=False):
    """How views are encoded and paired, and how neighbours are found and counted."""

    ranks: Sequence[int]
    """Ranks of precision; 1, 5, 10 where empty."""
    csls_k: int
    """Neighbours of CSLS; 10 where 0."""
    centre: bool
    """Whether each view's mean vector is subtracted first."""
    index: str
    """`exact` (the default), or for very many candidates an approximate index, `ivf` or `hnsw`, with its recall."""


def check_options(given: Mapping[str, object], kind: type, call: str) -> None:
    """Refuses keywords that a call does not take.

    Args:
        given: Options by keyword.
        kind: The typed mapping that they must fit.
        call: Name of the call.

    Raises:
        TypeError: A keyword is not among those of the mapping.
    """
    names: frozenset[str] = kind.__optional_keys__  # type: ignore[attr-defined]
    for name in given:
        if name not in names:
            raise TypeError(
                f"{call}() got an unexpected keyword argument {name!r}; it takes {', '.join(sorted(names))}"
            )

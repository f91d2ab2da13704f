"""Requests for static vectors."""

from collections.abc import Mapping
from typing import Any, Final, TypedDict

from babelscope.calls.jobs import Sets, datasets
from babelscope.calls.pretraining import FORMS
from babelscope.data.models import choose
from babelscope.v1 import trainer_pb2

KINDS: Final = {
    "word2vec": trainer_pb2.STATIC_KIND_WORD2VEC,
    "word2vec_cbow": trainer_pb2.STATIC_KIND_WORD2VEC_CBOW,
    "glove": trainer_pb2.STATIC_KIND_GLOVE,
}
"""Methods by name."""


class StaticOptions(TypedDict, total=False):
    """How static vectors are trained. What is left out has the default that the contract names."""

    form: str
    """What the texts of the sets are: `text`, or streams of `pieces` or `ids`."""
    max_tokens: int
    """Longest stream in tokens, special ones included, beyond which no context reaches."""
    dimension: int
    """Numbers of a vector."""
    window: int
    """Tokens to each side that are context."""
    min_count: int
    """Fewest occurrences of a token that gets a vector of its own."""
    epochs: int
    """Passes over the streams, or over the co-occurrences."""
    learning_rate: float
    """Learning rate at first."""
    seed: int
    """Seed."""
    negative: int
    """word2vec: tokens drawn against each that is predicted."""
    max_weight: float
    """GloVe: count from which all co-occurrences weigh the same."""
    exponent: float
    """GloVe: exponent of the weight below it."""
    batch: int
    """GloVe: co-occurrences of a step."""


def pretrain_static_spec(
    kind: str, vocabulary: str, how: Mapping[str, Any], *, train: Sets
) -> trainer_pb2.PretrainStaticSpec:
    """The specification of a job of static vectors.

    Raises:
        ValueError: There is no such kind or form.
    """
    plain = {name: value for name, value in how.items() if name != "form"}
    spec = trainer_pb2.PretrainStaticSpec(
        kind=choose(KINDS, "kind", kind), vocabulary=vocabulary, train=datasets(train), **plain
    )
    if "form" in how:
        spec.form = choose(FORMS, "form", how["form"])
    return spec

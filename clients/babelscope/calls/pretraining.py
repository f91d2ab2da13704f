"""Requests for pretraining."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from babelscope.calls.jobs import OptimisationOptions, Sets, datasets, optimisation
from babelscope.data.models import Model, choose
from babelscope.v1 import trainer_pb2

FORMS: Final = {
    "text": trainer_pb2.STREAM_FORM_TEXT,
    "pieces": trainer_pb2.STREAM_FORM_PIECES,
    "ids": trainer_pb2.STREAM_FORM_IDS,
}


@dataclass(frozen=True, slots=True)
class Separation:
    """What the languages of a new model do not share (Conneau, Wu et al. 2020, section 4).

    Attributes:
        embeddings: Whether each language has embeddings of its own, positions included.
        layers: Number of blocks, from the first on, of which each language has its own.
        softmax: Whether each language has a masked-language-model head of its own.
        prefixed: Whether no token is that of several languages, however it is spelled: no anchors. For a vocabulary of
            each language.
    """

    embeddings: bool = False
    layers: int = 0
    softmax: bool = False
    prefixed: bool = False

    def to_proto(self) -> trainer_pb2.Separation:
        """The message."""
        return trainer_pb2.Separation(
            embeddings=self.embeddings, layers=self.layers, softmax=self.softmax, prefixed=self.prefixed
        )


@dataclass(frozen=True, slots=True)
class Architecture:
    """Configuration of a new model. The defaults are the model of Conneau, Wu et al. 2020 (section 3.1).

    Attributes:
        family: `bert`, `roberta` or `modernbert`.
        layers: Number of blocks.
        hidden_size: Width of the hidden states.
        heads: Attention heads a block; one for each 64 of the width where 0.
        feed_forward: Width within the feed-forward layers; four times that of the hidden states where 0.
        max_tokens: Longest input in tokens, special ones included.
        initializer_range: Standard deviation of the initial weights.
        separation: What its languages do not share; None for a model that is not told the language of a text.
    """

    family: str = "bert"
    layers: int = 8
    hidden_size: int = 768
    heads: int = 0
    feed_forward: int = 0
    max_tokens: int = 256
    initializer_range: float = 0.02
    separation: Separation | None = None

    def to_proto(self) -> trainer_pb2.MlmArchitecture:
        """The message."""
        return trainer_pb2.MlmArchitecture(
            family=self.family,
            layers=self.layers,
            hidden_size=self.hidden_size,
            heads=self.heads,
            feed_forward=self.feed_forward,
            max_tokens=self.max_tokens,
            initializer_range=self.initializer_range,
            separation=None if self.separation is None else self.separation.to_proto(),
        )


class PretrainOptions(OptimisationOptions, total=False):
    """How a masked language model is pretrained. What is left out has the default that the contract names."""

    form: str
    """What the texts of the sets are: `text`, or streams of `pieces` or `ids`."""
    language_exponent: float
    """Exponent of each language's share of the streams."""
    mask_rate: float
    """Share of the tokens that are predicted."""
    masked: float
    """Share of these that are replaced by the mask token."""
    random: float
    """Share of these that are replaced by a random token."""
    random_within_language: bool
    """Whether random tokens are those that occur in the training sets of the stream's language."""
    source: str
    """Language by whose perplexity the best checkpoint is chosen."""
    learning_rate: float
    """Peak learning rate."""
    head_learning_rate: float
    """Peak learning rate of the head; that of the encoder where not given."""
    epochs: float
    """Passes over as many streams as there are."""
    seed: int
    """Seed of the weights, of the order of the data, of masks and of dropout."""
    max_tokens: int
    """Longest input in tokens, special ones included; the model's longest where 0."""


_PLAIN: Final = (
    "language_exponent",
    "mask_rate",
    "masked",
    "random",
    "random_within_language",
    "source",
    "max_tokens",
)


def pretrain_mlm_spec(
    start: Model | Architecture | str, vocabulary: str, how: Mapping[str, Any], *, train: Sets, dev: Sets
) -> trainer_pb2.PretrainMlmSpec:
    """The specification of a pretraining job.

    Raises:
        ValueError: There is no such form, schedule or dtype.
    """
    spec = trainer_pb2.PretrainMlmSpec(
        vocabulary=vocabulary,
        train=datasets(train),
        dev=datasets(dev),
        optimisation=optimisation(how),
        **{name: how[name] for name in _PLAIN if name in how},
    )
    if "form" in how:
        spec.form = choose(FORMS, "form", how["form"])
    if isinstance(start, Architecture):
        spec.architecture.CopyFrom(start.to_proto())
    else:
        spec.model.CopyFrom(Model.of(start).to_proto())
    return spec

"""Configuration of a model that is pretrained from random weights."""

from dataclasses import dataclass

from babelscope.v1 import trainer_pb2


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
        separation: What its languages do not share; None for a model of the family as it is, which is not told the
            language of a text.
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

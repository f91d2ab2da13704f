"""How a layer is aligned by a discriminator while a model is fine-tuned."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from babelscope.v1 import trainer_pb2


@dataclass(frozen=True, slots=True)
class Adversary:
    """A transform layer behind one layer, and a discriminator of languages (Hsu et al. 2019, appendix A.2.2).

    Attributes:
        layer: Layer behind which the transform layer stands; 0 is the embedding output.
        unlabelled: Names of stored datasets of the target languages by language; their answers are not looked at.
        weight: Weight of the alignment in the loss of the model.
        learning_rate: Learning rate of the discriminator.
        hidden_size: Width of the two hidden layers of the discriminator.
        dropout: Dropout of the input of the discriminator.
        smoothing: Smoothing of the labels of the discriminator.
        steps: Steps of the discriminator a batch.
    """

    layer: int
    unlabelled: Mapping[str, str] | Sequence[tuple[str, str]]
    weight: float = 1.0
    learning_rate: float = 1e-4
    hidden_size: int = 1024
    dropout: float = 0.1
    smoothing: float = 0.1
    steps: int = 1

    def to_proto(self, unlabelled: Sequence[trainer_pb2.LanguageDataset]) -> trainer_pb2.AdversarialAlignment:
        """The message of the contract.

        Args:
            unlabelled: The datasets as messages.

        Raises:
            ValueError: A number is 0 that may not be.
        """
        for name in ("weight", "learning_rate", "hidden_size", "steps"):
            if not getattr(self, name) > 0:
                raise ValueError(f"Expected `{name}` above 0, but got {getattr(self, name)}")
        return trainer_pb2.AdversarialAlignment(
            layer=self.layer,
            unlabelled=unlabelled,
            weight=self.weight,
            learning_rate=self.learning_rate,
            hidden_size=self.hidden_size,
            dropout=self.dropout,
            smoothing=self.smoothing,
            discriminator_steps=self.steps,
        )

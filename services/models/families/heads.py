"""Where a family keeps its masked-language-model head."""

from dataclasses import dataclass, replace


@dataclass(frozen=True)
class HeadLayout:
    """Names and sizes of a head: affine layer, activation, norm, output layer; or the output layer alone.

    The names are those of the checkpoint, without the encoder's prefix, under which heads do not stand.

    Attributes:
        dense: Name of the affine layer, without `.weight`; empty where the head is the output layer alone.
        norm: Name of the norm.
        output: Name of the output layer, whose weight is left out of the checkpoint where it is the word table.
        biases: Names of the output layer's bias, of which the first that is there counts, as in transformers; none
            where it has no bias.
        width: Numbers between the affine layer and the output layer, e.
        activation: transformers' name of the activation.
        eps: Number added to the variance in the norm.
        dense_bias: Whether the affine layer has a bias.
        norm_bias: Whether the norm has a bias.
        implied: Whether it is there although the checkpoint has no tensor of it: an output layer alone that is tied.
        parts: What stands before these names for the head of each language; one, and empty, where all share a head.
    """

    dense: str
    norm: str
    output: str
    biases: tuple[str, ...]
    width: int
    activation: str
    eps: float
    dense_bias: bool = True
    norm_bias: bool = True
    implied: bool = False
    parts: tuple[str, ...] = ("",)

    def single(self) -> tuple["HeadLayout", ...]:
        """The head of each language, by its whole names; itself where all share one."""
        return tuple(
            replace(
                self,
                dense=part + self.dense,
                norm=part + self.norm,
                output=part + self.output,
                biases=tuple(part + name for name in self.biases),
                parts=("",),
            )
            for part in self.parts
        )

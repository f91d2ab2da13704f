"""Adversarial alignment of one layer (Hsu et al. 2019, appendix A.2.2; table 7, rows GAN).

A transform layer stands behind block k: `h + h A + b`, the identity at first. A discriminator tells from a transformed
row whether its text is of a training language or of a target language; D(h) is the probability of the former. With the
smoothing s of the labels, the two losses are those of Goodfellow et al. 2014 in the form of Lample et al. 2018
(equations 3 and 4), each a mean over the rows of both sides:

    discriminator  L_D = -(1 - s) log D(x) - s log(1 - D(x)) - (1 - s) log(1 - D(y)) - s log D(y)
    model          L_A =  the same with the labels of x and y exchanged

For each batch the discriminator takes its steps on detached rows, then the model's loss is that of the task and
`weight` times L_A, whose gradient reaches the transform layer and all of the encoder below it that is trained.

Where several workers share a batch, each has some of its rows, or none. Both losses are then sums over the rows of each
worker, divided by the number of rows of all, so that their gradients add up to those of one worker; the discriminator's
are added up before each of its steps, after which all workers have the same discriminator.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import pairwise
from typing import Final

import torch
from torch import Tensor, nn
from torch.nn import functional

from services.models.layers.blocks import Layout
from services.models.spec import Edit
from services.runtime.errors import InvalidArgument
from services.trainer.adamw import AdamW
from services.trainer.alignment.edits import LanguageEdit, LayerEdits
from services.trainer.parallel.team import SOLO, Team

_SLOPE: Final = 0.2
"""Slope of the discriminator's leaky rectifiers for negative numbers (Lample et al. 2018)."""
_BETAS: Final = (0.5, 0.999)
"""Decay of the discriminator's moments: the usual ones let the two players circle each other (Radford et al. 2016)."""


@dataclass(frozen=True)
class Adversary:
    """How a layer is aligned by a discriminator.

    Attributes:
        layer: k, the layer behind which the transform layer stands; 0 is the embedding output.
        weight: Weight of the alignment in the loss of the model.
        learning_rate: Learning rate of the discriminator, which is constant.
        hidden_size: Width of the discriminator's two hidden layers.
        dropout: Dropout of the discriminator's input.
        smoothing: Smoothing of its labels, s.
        steps: Steps of the discriminator a batch.
    """

    layer: int
    weight: float = 1.0
    learning_rate: float = 1e-4
    hidden_size: int = 1024
    dropout: float = 0.1
    smoothing: float = 0.1
    steps: int = 1


def check_adversary(how: Adversary) -> None:
    """Refuse settings that no run can have.

    Raises:
        InvalidArgument: Names the field, what was expected and what was got.
    """
    for field, value, fits, expected in (
        ("layer", how.layer, how.layer >= 0, "a layer of 0 or more"),
        ("weight", how.weight, 0 < how.weight < float("inf"), "a finite number above 0"),
        ("learning_rate", how.learning_rate, 0 < how.learning_rate < float("inf"), "a finite number above 0"),
        ("hidden_size", how.hidden_size, 1 <= how.hidden_size <= 1 << 16, "a number within 1..65536"),
        ("dropout", how.dropout, 0 <= how.dropout < 1, "a number of 0 or more and below 1"),
        ("smoothing", how.smoothing, 0 <= how.smoothing < 0.5, "a number of 0 or more and below 0.5"),
        ("steps", how.steps, 1 <= how.steps <= 1000, "a number within 1..1000"),
    ):
        if not fits:
            raise InvalidArgument(f"adversary.{field}", f"Expected {expected}, but got {value}")


def check_layer(how: Adversary, layers: int, model: str) -> None:
    """Refuse a layer that a model does not have.

    Args:
        how: Settings.
        layers: Number of blocks, L.
        model: Name of the model.

    Raises:
        InvalidArgument: It has no such layer.
    """
    if how.layer > layers:
        raise InvalidArgument(
            "adversary.layer", f"Expected a layer within 0..{layers} for model {model}, but got {how.layer}"
        )


class Transform(nn.Module):
    """The transform layer: `h + h A + b`, the identity at first.

    Args:
        width: Width of the hidden states.
    """

    def __init__(self, width: int) -> None:
        super().__init__()
        # A correction of the identity, so that weight decay draws the layer to the identity and not to zero.
        self.change = nn.Parameter(torch.zeros(width, width))
        self.bias = nn.Parameter(torch.zeros(width))

    @property
    def width(self) -> int:
        """Width of the hidden states."""
        return len(self.bias)

    def forward(self, hidden: Tensor) -> Tensor:
        """Transformed rows, [..., d]."""
        return torch.addmm(self.bias, hidden, self.change) + hidden

    def edit(self, layer: int) -> LanguageEdit:
        """The layer with its present weights as an intervention on all texts."""
        change = self.change.detach().cpu()
        matrix = (torch.eye(len(change)) + change).numpy()
        return LanguageEdit(Edit(layer, matrix=matrix, bias=self.bias.detach().cpu().numpy().copy()))


class Tapped:
    """Edits of a batch with the transform layer behind them, whose result is kept.

    Args:
        edits: The other edits; they come first.
        layer: k.
        transform: The transform layer.

    Attributes:
        content: [C, d], the transformed rows that are no special tokens, once the batch has passed layer k.
    """

    content: Tensor

    def __init__(self, edits: LayerEdits, layer: int, transform: Transform) -> None:
        self._edits, self._layer, self._transform = edits, layer, transform

    def touches(self, layer: int) -> bool:
        """Whether a layer has edits, or is the one that is aligned."""
        return layer == self._layer or self._edits.touches(layer)

    def apply(self, layer: int, hidden_TD: Tensor, layout: Layout) -> Tensor:
        """The hidden states of a layer after its edits."""
        hidden_TD = self._edits.apply(layer, hidden_TD, layout)
        if layer == self._layer:
            hidden_TD = self._transform(hidden_TD)
            self.content = hidden_TD[layout.content]
        return hidden_TD


@dataclass(frozen=True, eq=False)
class Side:
    """Rows of one side of a batch.

    Attributes:
        rows: [n, d], those of this worker; there may be none.
        total: Number of rows of all workers.
    """

    rows: Tensor
    total: int


class Discriminator:
    """Tells training languages from target languages, and is trained for it.

    Args:
        how: Settings.
        width: Width of the hidden states.
        seed: Seed of its weights.
        device: Device of the hidden states.
        team: The workers that train it together.
    """

    def __init__(self, how: Adversary, width: int, seed: int, device: str, team: Team = SOLO) -> None:
        self._how, self._team = how, team
        draws = torch.Generator().manual_seed(seed % (1 << 63))
        sizes = (width, how.hidden_size, how.hidden_size, 1)
        self._weights = [nn.Parameter(_glorot(*pair, draws).to(device)) for pair in pairwise(sizes)]
        self._biases = [nn.Parameter(torch.zeros(size, device=device)) for size in sizes[1:]]
        group = {"params": [*self._weights, *self._biases], "lr": how.learning_rate, "weight_decay": 0.0}
        self._adam = AdamW([group], _BETAS)

    def scores(self, rows: Tensor) -> Tensor:
        """Log-odds that a row is of a training language: [n, d] to [n]."""
        hidden = functional.dropout(rows, self._how.dropout)
        for place, (weight, bias) in enumerate(zip(self._weights, self._biases, strict=True)):
            hidden = torch.addmm(bias, hidden, weight)
            if place + 1 < len(self._weights):
                hidden = functional.leaky_relu(hidden, _SLOPE)
        return hidden[:, 0]

    def learn(self, source: Side, target: Side) -> float:
        """Take the steps of a batch; the share of rows that it tells right before the last of them.

        Args:
            source: Rows of training languages.
            target: Rows of target languages.
        """
        yes, no, right = source.rows.detach(), target.rows.detach(), 0.0
        for _ in range(self._how.steps):
            scores = self.scores(yes), self.scores(no)
            found = (scores[0] > 0).sum() / source.total + (scores[1] <= 0).sum() / target.total
            self._loss(scores[0], source.total, scores[1], target.total).backward()  # type: ignore[no-untyped-call]
            right = self._team.reduce([*self._weights, *self._biases], float(found) / 2)
            self._adam.step()
        return right

    def fooled(self, source: Side, target: Side) -> Tensor:
        """This worker's part of L_A, whose gradient reaches the rows and not the discriminator."""
        parameters = (*self._weights, *self._biases)
        for each in parameters:
            each.requires_grad_(False)
        try:
            return self._loss(self.scores(target.rows), target.total, self.scores(source.rows), source.total)
        finally:
            for each in parameters:
                each.requires_grad_(True)

    def _loss(self, yes: Tensor, all_yes: int, no: Tensor, all_no: int) -> Tensor:
        """This worker's part of the mean cross-entropies of both sides, `yes` to be told as of training languages."""
        smoothing = self._how.smoothing
        return _cross_entropy(yes, 1 - smoothing) / all_yes + _cross_entropy(no, smoothing) / all_no

    def state(self) -> dict[str, Tensor]:
        """Weights and moments by name."""
        return {
            f"{quantity}/{name}": value
            for name, parameter in self._named().items()
            for quantity, value in {"weight": parameter.detach(), **self._adam.state.get(parameter, {})}.items()
        }

    def restore(self, state: Mapping[str, Tensor]) -> None:
        """Set what `state` gave.

        Raises:
            KeyError: There is no such parameter.
        """
        named = self._named()
        for key, value in state.items():
            quantity, _, name = key.partition("/")
            parameter = named[name]
            if quantity == "weight":
                with torch.no_grad():
                    parameter.copy_(value)
            else:
                self._adam.state.setdefault(parameter, {})[quantity] = value.to(parameter.device)

    def _named(self) -> dict[str, nn.Parameter]:
        return {
            f"{kind}{place}": each
            for kind, parameters in (("matrix", self._weights), ("bias", self._biases))
            for place, each in enumerate(parameters)
        }


def _cross_entropy(scores: Tensor, label: float) -> Tensor:
    """Sum over rows; 0 over none."""
    return functional.binary_cross_entropy_with_logits(scores, torch.full_like(scores, label), reduction="sum")


def _glorot(inputs: int, outputs: int, draws: torch.Generator) -> Tensor:
    """[inputs, outputs], normal (Glorot and Bengio 2010)."""
    weight = torch.empty(inputs, outputs)
    return weight.normal_(0.0, (2.0 / (inputs + outputs)) ** 0.5, generator=draws)

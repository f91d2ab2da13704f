"""MUSE's first step: a map whose outcome a discriminator cannot tell from the target language.

Lample et al. 2018, section 2.1 and equations 2, 3 and 7. Nothing is drawn from PyTorch's global generator.
"""

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import binary_cross_entropy_with_logits, leaky_relu, linear

from services.metrics.arrays import F64
from services.metrics.estimates.estimates import Check

_CHECK_EVERY = 16
"""Map steps between checks."""


@dataclass(frozen=True)
class Game:
    """How the two play.

    Args:
        batch: Rows of either language in a step.
        discriminator_steps: Steps of the discriminator for each step of the map.
        hidden: Units of either hidden layer of the discriminator.
        dropout: Share of the discriminator's inputs that are dropped while it learns.
        slope: Slope of the leaky rectifier below 0.
        smoothing: Label smoothing: the mapped source is labelled 1 - smoothing, the target smoothing.
        rate: Learning rate of the discriminator.
        orthogonality: beta of equation 7, `W <- (1 + beta) W - beta W W'W`.
    """

    batch: int = 32
    discriminator_steps: int = 5
    hidden: int = 2048
    dropout: float = 0.1
    slope: float = 0.2
    smoothing: float = 0.1
    rate: float = 0.1
    orthogonality: float = 0.001


class Adversary:
    """A map and its discriminator.

    Args:
        source: [n, d] the most frequent words.
        target: [m, d].
        game: How the two play.
        seed: Seed of the generator of the discriminator's first weights and of all draws.
        device: Device of the computation, as PyTorch names it.
    """

    def __init__(self, source: F64, target: F64, game: Game, *, seed: int, device: torch.device) -> None:
        self._game = game
        self._device = device
        self._source = torch.as_tensor(source, dtype=torch.float32, device=self._device)
        self._target = torch.as_tensor(target, dtype=torch.float32, device=self._device)
        self._generator = torch.Generator(self._device).manual_seed(seed)
        d = source.shape[1]
        self._map = torch.eye(d, device=self._device)
        self._weights: list[Tensor] = []
        for inputs, outputs in ((d, game.hidden), (game.hidden, game.hidden), (game.hidden, 1)):
            # PyTorch's own rule for linear layers: uniform within 1 / sqrt(inputs), biases too.
            for shape in ((outputs, inputs), (outputs,)):
                self._weights.append((2 * self._uniform(*shape) - 1) / inputs**0.5)
        labels = torch.full((2 * game.batch,), game.smoothing, device=self._device)
        labels[: game.batch] = 1 - game.smoothing
        self._labels = labels

    @property
    def matrix(self) -> F64:
        """The map W, [d, d]; rows are multiplied from the left."""
        return self._map.cpu().numpy().astype(np.float64)

    def play(self, steps: int, rate: float, *, check: Check) -> None:
        """Plays some steps of the map, with those of the discriminator before each.

        Args:
            steps: Steps of the map to play.
            rate: Learning rate of the map.
            check: Raises where the caller has gone.
        """
        for step in range(steps):
            if step % _CHECK_EVERY == 0:
                check()
            for _ in range(self._game.discriminator_steps):
                self._teach_discriminator()
            self._move_map(rate)

    def _teach_discriminator(self) -> None:
        rows = torch.cat([self._drawn(self._source) @ self._map, self._drawn(self._target)])
        for weight in self._weights:
            weight.requires_grad_(True)
        rows = rows * (self._uniform(*rows.shape) >= self._game.dropout) / (1 - self._game.dropout)
        loss = binary_cross_entropy_with_logits(self._logits(rows), self._labels)
        gradients = torch.autograd.grad(loss, self._weights)
        with torch.no_grad():
            for weight, gradient in zip(self._weights, gradients, strict=True):
                weight.requires_grad_(False)
                weight.sub_(gradient, alpha=self._game.rate)

    def _move_map(self, rate: float) -> None:
        self._map.requires_grad_(True)
        rows = torch.cat([self._drawn(self._source) @ self._map, self._drawn(self._target)])
        loss = binary_cross_entropy_with_logits(self._logits(rows), 1 - self._labels)
        (gradient,) = torch.autograd.grad(loss, [self._map])
        self._map.requires_grad_(False)
        w = self._map.sub_(gradient, alpha=rate)
        beta = self._game.orthogonality
        self._map = (1 + beta) * w - beta * (w @ w.T @ w)

    def _drawn(self, rows: Tensor) -> Tensor:
        return rows[torch.randint(len(rows), (self._game.batch,), generator=self._generator, device=self._device)]

    def _uniform(self, *shape: int) -> Tensor:
        return torch.rand(shape, generator=self._generator, device=self._device)

    def _logits(self, rows: Tensor) -> Tensor:
        first, first_bias, second, second_bias, last, last_bias = self._weights
        hidden = leaky_relu(linear(rows, first, first_bias), self._game.slope)
        hidden = leaky_relu(linear(hidden, second, second_bias), self._game.slope)
        return linear(hidden, last, last_bias)[:, 0]

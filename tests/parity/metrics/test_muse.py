"""MUSE's adversarial step against the formulas: gradients by hand in NumPy float64, on the same draws."""

from typing import Any

import numpy as np
import pytest
import torch

from services.metrics.maps.muse.adversary import Adversary, Game
from services.metrics.sums.accumulate import nothing

D, HIDDEN, BATCH = 4, 6, 3


class Reference:
    """One map and its discriminator, with gradients written out.

    Draws come in the source's order: weights and biases layer by layer; then a step takes rows of the source, rows of
    the target, and where the discriminator learns, what is dropped.
    """

    def __init__(self, source: Any, target: Any, game: Game, seed: int) -> None:
        self.source, self.target, self.game = source, target, game
        self.generator = torch.Generator().manual_seed(seed)
        self.map = np.eye(D)
        self.layers = []
        for inputs, outputs in ((D, HIDDEN), (HIDDEN, HIDDEN), (HIDDEN, 1)):
            bound = 1 / np.sqrt(inputs)
            self.layers.append([(2 * self.uniform(*shape) - 1) * bound for shape in ((outputs, inputs), (outputs,))])

    def uniform(self, *shape: int) -> Any:
        return torch.rand(shape, generator=self.generator).numpy().astype(np.float64)

    def drawn(self, rows: Any) -> Any:
        return rows[torch.randint(len(rows), (BATCH,), generator=self.generator).numpy()]

    def backward(self, inputs: Any, labels: Any) -> tuple[list[tuple[Any, Any]], Any]:
        """Gradients of the mean binary cross-entropy: of the layers, and of the inputs."""
        values, slopes = [inputs], []
        for number, (weight, bias) in enumerate(self.layers):
            raw = values[-1] @ weight.T + bias
            slopes.append(np.where(raw > 0, 1.0, self.game.slope) if number < 2 else np.ones_like(raw))
            values.append(raw * slopes[-1])
        away = (1 / (1 + np.exp(-values[-1])) - labels[:, None]) / len(labels)
        gradients = []
        for number in (2, 1, 0):
            away = away * slopes[number]
            gradients.append((away.T @ values[number], away.sum(axis=0)))
            away = away @ self.layers[number][0]
        return gradients[::-1], away

    def step(self, rate: float) -> None:
        game = self.game
        labels = np.repeat([1 - game.smoothing, game.smoothing], BATCH)
        for _ in range(game.discriminator_steps):
            source = self.drawn(self.source)
            rows = np.concatenate([source @ self.map, self.drawn(self.target)])
            kept = self.uniform(*rows.shape) >= game.dropout
            gradients, _ = self.backward(rows * kept / (1 - game.dropout), labels)
            for layer, (weight, bias) in zip(self.layers, gradients, strict=True):
                layer[0] = layer[0] - game.rate * weight
                layer[1] = layer[1] - game.rate * bias
        source = self.drawn(self.source)
        rows = np.concatenate([source @ self.map, self.drawn(self.target)])
        _, away = self.backward(rows, 1 - labels)
        w = self.map - rate * source.T @ away[:BATCH]
        self.map = (1 + game.orthogonality) * w - game.orthogonality * w @ w.T @ w


@pytest.mark.parametrize("changed", [{}, {"dropout": 0.5, "smoothing": 0.0}, {"orthogonality": 0.05}], ids=str)
def test_steps_are_those_of_the_formulas(changed: dict[str, float]) -> None:
    rng = np.random.default_rng(0)
    source, target = 2 * rng.standard_normal((20, D)), 2 * rng.standard_normal((30, D)) + 0.5
    game = Game(batch=BATCH, discriminator_steps=2, hidden=HIDDEN, **changed)  # type: ignore[arg-type]
    ours = Adversary(source, target, game, seed=11, device=torch.device("cpu"))
    theirs = Reference(source, target, game, seed=11)
    for _ in range(4):
        ours.play(1, 0.7, check=nothing)
        theirs.step(0.7)
        np.testing.assert_allclose(ours.matrix, theirs.map, atol=2e-5)
    assert np.abs(theirs.map - np.eye(D)).max() > 0.02

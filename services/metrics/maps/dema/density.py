"""DeMa's training: two maps whose flows carry each language's mixture of Gaussians onto the other's words.

Zhou et al. 2019. The words x_i of a language, in unit rows, are the centres of a mixture, `p(x) = sum_i pi_i N(x; x_i,
s^2 I)`. Under a map W of the other language's rows into this one, a word y of that language has the density
`log p(y) = log p(y W) + log |det W|`; both maps are fitted to words drawn from the mixtures themselves.
"""

import math
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn.functional import cosine_similarity

from services.metrics.arrays import F64
from services.metrics.maps.base import Pairs


@dataclass(frozen=True)
class Training:
    """How both maps are trained.

    Args:
        batch: Words drawn of either language in a step.
        source_variance: Variance of the source mixture's Gaussians, the same in every direction.
        target_variance: Variance of the target mixture's Gaussians, the same in every direction.
        zipf: Weight of the word of rank r is r^-zipf; all are equal at 0.
        back_translation: Weight of `1 - cos` of words and what both maps, one after the other, make of them.
        supervision: Weight of `1 - cos` of the seeds' words and what a map makes of their translations.
        learning_rate: Initial learning rate of Adam; it falls to 0 along a cosine.
        steps: In all.
    """

    batch: int
    source_variance: float
    target_variance: float
    zipf: float
    back_translation: float
    supervision: float
    learning_rate: float
    steps: int


class DensityMatching:
    """Two maps under training.

    Args:
        source: [n, d] rows of the frequent words.
        target: [m, d].
        pairs: [s, 2] seeds among them; may be empty.
        training: See there.
        seed: Seed of the training's own generator.
        device: Device of the computation, as PyTorch names it.
    """

    def __init__(
        self, source: F64, target: F64, pairs: Pairs, training: Training, *, seed: int, device: torch.device
    ) -> None:
        self._training = training
        # Draws are made on the CPU, so that every device sees the same.
        self._generator = torch.Generator().manual_seed(seed)
        self._device = device
        self._source = _Mixture(source, training.source_variance, training.zipf, device)
        self._target = _Mixture(target, training.target_variance, training.zipf, device)
        self._seeds = [torch.from_numpy(np.ascontiguousarray(side)).to(device) for side in pairs.T]
        identity = torch.eye(source.shape[1], device=device)
        self._forward, self._backward = (identity.clone().requires_grad_() for _ in range(2))
        self._optimizer = torch.optim.Adam([self._forward, self._backward], lr=training.learning_rate)
        self._schedule = torch.optim.lr_scheduler.CosineAnnealingLR(self._optimizer, training.steps)

    def step(self) -> float:
        """One step of both maps.

        Returns:
            The objective before it, to be minimised.
        """
        loss = self._loss()
        self._optimizer.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        self._optimizer.step()
        self._schedule.step()
        return float(loss.detach())

    def maps(self) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Source to target and target to source, [d, d]."""
        forward, backward = (each.detach().cpu().numpy().astype(np.float64) for each in (self._forward, self._backward))
        return forward, backward

    def _loss(self) -> Tensor:
        training = self._training
        x, y = (mixture.draw(training.batch, self._generator) for mixture in (self._source, self._target))
        mapped_x, mapped_y = x @ self._forward, y @ self._backward
        loss = -(self._source.density(mapped_y) + _log_det(self._backward)).mean()
        loss = loss - (self._target.density(mapped_x) + _log_det(self._forward)).mean()
        if training.back_translation:
            distance = _distance(mapped_x @ self._backward, x) + _distance(mapped_y @ self._forward, y)
            loss = loss + training.back_translation * distance
        if training.supervision and len(self._seeds[0]):
            drawn = torch.randint(len(self._seeds[0]), (training.batch,), generator=self._generator).to(self._device)
            left = self._source.centres[self._seeds[0][drawn]]
            right = self._target.centres[self._seeds[1][drawn]]
            distance = _distance(left @ self._forward, right) + _distance(right @ self._backward, left)
            loss = loss + training.supervision * distance
        return loss


class _Mixture:
    """A mixture of Gaussians of one variance, a word the centre of each."""

    def __init__(self, rows: F64, variance: float, zipf: float, device: torch.device) -> None:
        self.centres = torch.from_numpy(rows.astype(np.float32)).to(device)
        self._variance = variance
        n, d = rows.shape
        weights = torch.arange(1, n + 1, dtype=torch.float64) ** -zipf
        self._weights = weights / weights.sum()
        constant = 0.5 * d * math.log(2 * math.pi * variance)
        squares = self.centres.square().sum(dim=1)
        # Of each centre, what its log density does not owe to the row: log pi_i - |x_i|^2 / 2 s^2 - the constant.
        self._offsets = self._weights.log().float().to(device) - squares / (2 * variance) - constant

    def draw(self, count: int, generator: torch.Generator) -> Tensor:
        """Rows of the mixture, [count, d]."""
        centre = torch.multinomial(self._weights, count, replacement=True, generator=generator)
        noise = torch.randn(count, self.centres.shape[1], generator=generator)
        return self.centres[centre.to(self.centres.device)] + math.sqrt(self._variance) * noise.to(self.centres.device)

    def density(self, rows: Tensor) -> Tensor:
        """Log density of rows, [count]."""
        products = rows @ self.centres.T / self._variance + self._offsets
        found: Tensor = products.logsumexp(dim=1) - rows.square().sum(dim=1) / (2 * self._variance)
        return found


def _log_det(matrix: Tensor) -> Tensor:
    """The logarithm of |det W|."""
    found: Tensor = torch.linalg.slogdet(matrix).logabsdet
    return found


def _distance(left: Tensor, right: Tensor) -> Tensor:
    """Mean of 1 - cos."""
    return 1 - cosine_similarity(left, right, dim=1).mean()

"""GloVe (Pennington et al. 2014): weighted least squares on the logarithms of co-occurrences, by AdaGrad.

J = sum f(X_ij) (w_i w~_j + b_i + b~_j - log X_ij)^2 / 2 with f(x) = min(1, (x / x_max)^alpha) (equations 8 and 9). A
step takes a batch of co-occurrences: gradients of one row are added up, and the row is moved once by AdaGrad (Duchi et
al. 2011), whose sums of squares begin at 1, as in the published code, and include the present gradient, so that no step
is longer than the learning rate, however many pairs a batch has of a row. The vector of a token is w + w~. All is
float32 on one thread: equal seeds give equal bits.
"""

from dataclasses import dataclass, fields

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from services.trainer.static.cooccurrences import CountFiles, Counts
from services.trainer.static.plan import StaticPlan
from services.trainer.static.states import States
from services.trainer.static.word2vec import Told


def glove(counts: CountFiles, plan: StaticPlan, told: Told, states: States | None = None) -> NDArray[np.float32]:
    """Vectors of tokens.

    Args:
        counts: Their co-occurrences.
        plan: Dimension, epochs, learning rate, seed, `max_weight`, `exponent` and `batch`.
        told: Is told of each epoch and of its mean loss.
        states: The states on disk; none are kept where None.

    Returns:
        [n, d] float32, w + w~ in the order of the places.
    """
    states = states or States()
    reached = states.load(len(counts.files))
    rows = Rows(**reached.arrays) if reached.arrays else Rows.drawn(counts.tokens, plan.dimension, plan.seed)
    total, files = reached.loss, len(counts.files)
    for done in range(reached.portions, plan.epochs * files):
        epoch, at = divmod(done, files)
        total = rows.read(counts, plan, epoch, at, total)
        if at + 1 == files:
            told(epoch + 1, total / max(1, counts.size))
            total = 0.0
        states.done(done + 1, rows.arrays, total)
    return rows.vectors().numpy()


@dataclass(frozen=True, eq=False)
class Rows:
    """Parameters, with AdaGrad's sums of squared gradients beside each.

    Attributes:
        words: [n, d + 1] w_i and b_i in the last column.
        contexts: [n, d + 1] w~_j and b~_j.
        word_squares: [n, d + 1].
        context_squares: [n, d + 1].
    """

    words: Tensor
    contexts: Tensor
    word_squares: Tensor
    context_squares: Tensor

    @classmethod
    def drawn(cls, tokens: int, dimension: int, seed: int) -> "Rows":
        """Uniform within 1 / (2 (d + 1)), as the published code draws them."""
        generator = np.random.default_rng([seed % (1 << 64), 1 << 32])
        shape = (tokens, dimension + 1)
        words, contexts = (
            torch.from_numpy(((generator.random(shape) - 0.5) / (dimension + 1)).astype(np.float32)) for _ in range(2)
        )
        return cls(words, contexts, torch.ones(shape), torch.ones(shape))

    def arrays(self) -> dict[str, Tensor]:
        """All that training goes on from, by the names of the attributes."""
        return {each.name: getattr(self, each.name) for each in fields(self)}

    def read(self, counts: CountFiles, plan: StaticPlan, epoch: int, at: int, total: float) -> float:
        """Move the rows of all co-occurrences of a file.

        Args:
            counts: The files.
            plan: See `glove`.
            epoch: Epoch, from 0.
            at: Place of the file in the order of the epoch, which like that of its pairs follows from the seed.
            total: Sum of the losses before.

        Returns:
            The sum with those of this file.
        """
        seed = plan.seed % (1 << 64)
        place = int(np.random.default_rng([seed, epoch]).permutation(len(counts.files))[at])
        pairs = counts.read(place)
        order = np.random.default_rng([seed, epoch, place + 1]).permutation(len(pairs.values))
        for first in range(0, len(order), plan.batch):
            chosen = order[first : first + plan.batch]
            total += self.step(Counts(pairs.words[chosen], pairs.contexts[chosen], pairs.values[chosen]), plan)
        return total

    def vectors(self) -> Tensor:
        """[n, d] w + w~."""
        return (self.words + self.contexts)[:, :-1].contiguous()

    def step(self, pairs: Counts, plan: StaticPlan) -> float:
        """Move the rows of some co-occurrences; the sum of their losses before that."""
        values = torch.from_numpy(pairs.values)
        weights_N = (values / plan.max_weight).pow(plan.exponent).clamp(max=1.0).float()
        places_i, places_j = torch.from_numpy(pairs.words), torch.from_numpy(pairs.contexts)
        w_ND, c_ND = self.words[places_i], self.contexts[places_j]
        products_N = (w_ND[:, :-1] * c_ND[:, :-1]).sum(dim=1)
        differences_N = products_N + w_ND[:, -1] + c_ND[:, -1] - values.log().float()
        slopes_N1 = (weights_N * differences_N)[:, None]
        _move(self.words, self.word_squares, places_i, slopes_N1 * _with_ones(c_ND), plan.learning_rate)
        _move(self.contexts, self.context_squares, places_j, slopes_N1 * _with_ones(w_ND), plan.learning_rate)
        return float((weights_N * differences_N.square()).sum() / 2)


def _with_ones(rows_ND: Tensor) -> Tensor:
    """What the slope of a row's partner is multiplied by: the vector, and 1 for its bias."""
    return torch.cat([rows_ND[:, :-1], torch.ones(len(rows_ND), 1)], dim=1)


def _move(rows: Tensor, squares: Tensor, places: Tensor, gradients: Tensor, learning_rate: float) -> None:
    """One step of AdaGrad of some rows, of which several may be the same."""
    found, inverse = torch.unique(places, return_inverse=True)
    total = torch.zeros(len(found), rows.shape[1]).index_add_(0, inverse, gradients)
    grown = squares[found] + total.square()
    squares[found] = grown
    rows[found] -= learning_rate * total / grown.sqrt()

"""GloVe against a plain loop, and the bits of a seed."""

import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from services.trainer.static.cooccurrences import CountFiles, count
from services.trainer.static.glove import Rows, glove
from services.trainer.static.plan import StaticPlan
from tests.unit.services.trainer.static.test_cooccurrences import made

PLAN = StaticPlan("glove", (), "", dimension=6, epochs=3, learning_rate=0.05, seed=7, max_weight=4.0, batch=5)


@pytest.fixture
def counted(tmp_path: Path) -> CountFiles:
    """Co-occurrences of ten tokens."""
    places = np.full(12, -1)
    places[2:] = np.arange(10)
    return count(made(), places, 4, tmp_path / "counts")


def _plain(counts: CountFiles, plan: StaticPlan) -> tuple[list[list[float]], list[float]]:
    """The same algorithm one number at a time, in double precision."""
    drawn = Rows.drawn(counts.tokens, plan.dimension, plan.seed)
    w, c = drawn.words.double().tolist(), drawn.contexts.double().tolist()
    w_squares, c_squares = ([[1.0] * (plan.dimension + 1) for _ in w] for _ in range(2))
    losses = []
    for epoch in range(plan.epochs):
        loss = 0.0
        for place in np.random.default_rng([plan.seed, epoch]).permutation(len(counts.files)).tolist():
            pairs = counts.read(place)
            order = np.random.default_rng([plan.seed, epoch, place + 1]).permutation(len(pairs.values)).tolist()
            for first in range(0, len(order), plan.batch):
                w_slopes: dict[int, list[float]] = {}
                c_slopes: dict[int, list[float]] = {}
                for at in order[first : first + plan.batch]:
                    i, j, x = int(pairs.words[at]), int(pairs.contexts[at]), float(pairs.values[at])
                    product = sum(w[i][k] * c[j][k] for k in range(plan.dimension))
                    weight = min(1.0, (x / plan.max_weight) ** plan.exponent)
                    difference = product + w[i][-1] + c[j][-1] - math.log(x)
                    loss += weight * difference**2 / 2
                    for slopes, row, partner in ((w_slopes, i, c[j]), (c_slopes, j, w[i])):
                        total = slopes.setdefault(row, [0.0] * (plan.dimension + 1))
                        for k in range(plan.dimension + 1):
                            total[k] += weight * difference * (partner[k] if k < plan.dimension else 1.0)
                for rows, squares, slopes in ((w, w_squares, w_slopes), (c, c_squares, c_slopes)):
                    for row, total in slopes.items():
                        for k, slope in enumerate(total):
                            squares[row][k] += slope**2
                            rows[row][k] -= plan.learning_rate * slope / math.sqrt(squares[row][k])
        losses.append(loss / counts.size)
    vectors = [[a + b for a, b in zip(left[:-1], right[:-1], strict=True)] for left, right in zip(w, c, strict=True)]
    return vectors, losses


@pytest.mark.parametrize("batch", [1, 5, 1000])
def test_vectors_are_those_of_a_plain_loop(batch: int, counted: CountFiles) -> None:
    plan = replace(PLAN, batch=batch)
    losses: list[float] = []
    vectors = glove(counted, plan, lambda epoch, loss: losses.append(loss))
    expected, expected_losses = _plain(counted, plan)
    assert vectors == pytest.approx(np.array(expected), abs=1e-5)
    assert losses == pytest.approx(expected_losses, rel=1e-4)
    assert losses[-1] < losses[0]


def test_a_seed_gives_the_same_bits_and_another_seed_others(counted: CountFiles) -> None:
    first, again, other = (glove(counted, replace(PLAN, seed=seed), lambda *_: None) for seed in (7, 7, 8))
    assert first.tobytes() == again.tobytes()
    assert first.tobytes() != other.tobytes()


def test_the_logarithms_are_fitted_where_there_is_room(counted: CountFiles) -> None:
    losses: list[float] = []
    wide = replace(PLAN, dimension=12, epochs=400, learning_rate=0.1, batch=10)
    glove(counted, wide, lambda epoch, loss: losses.append(loss))
    assert losses[-1] < 0.02 * losses[0]

"""The likeliest word is that of the full output layer, whatever the rows and weights; the bounds hold."""

from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from services.models.layers import best_words
from services.models.layers.best_words import CANDIDATES, Norms
from services.models.layers.heads import OutputLayer, largest
from services.models.layers.linear import has_blocked_kernels


class _Counted:
    """A layer that counts the rows that it is applied to in float32."""

    def __init__(self, weight: torch.Tensor, bias: torch.Tensor | None) -> None:
        self.layer = OutputLayer(weight, bias, tied=False)
        self.layer.prepare(torch.float32)
        self.layer.prepare(torch.bfloat16)
        self.exact = 0

    def __call__(self, rows: torch.Tensor) -> torch.Tensor:
        self.exact += len(rows) if rows.dtype == torch.float32 else 0
        return self.layer(rows)


def _best(weight: torch.Tensor, bias: torch.Tensor | None, rows: torch.Tensor) -> tuple[torch.Tensor, int]:
    apply = _Counted(weight, bias)
    found, _ = best_words.best_words(weight, bias, Norms.of(weight, bias), apply, rows)
    return found, apply.exact


def _full(weight: torch.Tensor, bias: torch.Tensor | None, rows: torch.Tensor) -> torch.Tensor:
    layer = OutputLayer(weight, bias, tied=False)
    layer.prepare(torch.float32)
    return largest(layer(rows))[0]


@pytest.mark.parametrize("biased", [True, False])
def test_the_word_of_the_full_layer_with_few_rows_computed_in_full(biased: bool) -> None:
    generator = torch.Generator().manual_seed(0)
    weight = 0.02 * torch.randn(5000, 96, generator=generator)
    bias = 0.1 * torch.randn(5000, generator=generator) if biased else None
    rows = torch.randn(256, 96, generator=generator)
    found, exact = _best(weight, bias, rows)
    assert torch.equal(found, _full(weight, bias, rows))
    assert exact < 16


def test_equal_words_give_the_first() -> None:
    generator = torch.Generator().manual_seed(1)
    some = torch.randn(40, 32, generator=generator)
    weight = torch.cat([some, some, some])
    rows = torch.randn(64, 32, generator=generator)
    found, exact = _best(weight, None, rows)
    assert torch.equal(found, _full(weight, None, rows))
    assert int(found.max()) < 40
    assert exact == 64


def test_more_candidates_than_are_looked_at_go_through_the_full_layer() -> None:
    weight = torch.ones(3 * CANDIDATES, 16)
    weight[17] += 1e-6
    found, exact = _best(weight, None, torch.ones(3, 16))
    assert found.tolist() == [17, 17, 17]
    assert exact == 3


@settings(max_examples=60, deadline=None)
@given(
    words=st.integers(1, 300),
    width=st.integers(1, 48),
    spread=st.sampled_from([1e-6, 1e-3, 0.1, 1.0]),
    scale=st.sampled_from([1e-3, 1.0, 1e4]),
    seed=st.integers(0, 2**32 - 1),
)
def test_any_weights(words: int, width: int, spread: float, scale: float, seed: int) -> None:
    rng = np.random.default_rng(seed)

    def numbers(*shape: int) -> Any:
        return torch.from_numpy(rng.standard_normal(shape).astype(np.float32))

    # Words that differ by little: many near ties.
    weight = scale * (numbers(1, width) + spread * numbers(words, width))
    bias = spread * numbers(words)
    rows = numbers(17, width) * 10.0 ** float(rng.integers(-3, 3))
    found, _ = _best(weight, bias, rows)
    logits = rows.double() @ weight.double().T + bias.double()
    chosen = logits.gather(1, found[:, None])[:, 0]
    size = rows.double().norm(dim=1) * weight.double().norm(dim=1).max() + bias.abs().max()
    assert (chosen >= logits.max(dim=1).values - 1e-5 * size).all()


def test_it_is_used_where_it_is_faster() -> None:
    layer = OutputLayer(torch.randn(64, 16), None, tied=False)
    assert not layer.certifies
    layer.prepare(torch.float32)
    assert layer.certifies <= has_blocked_kernels()

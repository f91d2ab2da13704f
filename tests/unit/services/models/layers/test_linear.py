"""Affine layers equal the formula whatever the kernel."""

import numpy as np
import pytest
import torch
from transformers.activations import ACT2FN

from services.models.families.base import ACTIVATIONS
from services.models.layers import linear as layers
from services.models.layers.linear import Linear, activate, has_blocked_kernels
from tests.support.products import Products

KERNELS = [
    False,
    pytest.param(True, marks=pytest.mark.skipif(not has_blocked_kernels(), reason="no blocked kernels here")),
]


def _parts(rows: int = 37, inputs: int = 20, outputs: int = 33) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(0)
    return tuple(torch.randn(shape, generator=generator) for shape in ((rows, inputs), (outputs, inputs), (outputs,)))


@pytest.mark.parametrize("blocked", KERNELS)
@pytest.mark.parametrize("activation", ["none", "gelu", "gelu_tanh", "relu", "silu"])
@pytest.mark.parametrize("rows", [1, 37, 600])
def test_equals_the_formula(blocked: bool, activation, rows: int) -> None:
    x, weight, bias = _parts(rows)
    y = Linear(weight, bias, blocked=blocked)(x, activation)
    expected = activate(x.double() @ weight.double().T + bias.double(), activation)
    np.testing.assert_allclose(y.numpy(), expected.numpy(), atol=1e-5)


@pytest.mark.parametrize("blocked", KERNELS)
def test_without_bias(blocked: bool) -> None:
    x, weight, _ = _parts()
    np.testing.assert_allclose(Linear(weight, None, blocked=blocked)(x), x @ weight.T, atol=1e-5)


@pytest.mark.parametrize("blocked", KERNELS)
def test_the_weight_comes_back_bit_for_bit(blocked: bool) -> None:
    _, weight, bias = _parts()
    linear = Linear(weight, bias, blocked=blocked)
    assert torch.equal(linear.weight, weight)
    assert torch.equal(linear.bias, bias)


@pytest.mark.parametrize("blocked", KERNELS)
def test_bfloat16_once_prepared(blocked: bool) -> None:
    x, weight, bias = _parts()
    linear = Linear(weight, bias, blocked=blocked)
    linear.prepare(torch.bfloat16)
    y = linear(x.bfloat16(), "gelu")
    assert y.dtype == torch.bfloat16
    np.testing.assert_allclose(y.float(), linear(x, "gelu"), atol=0.25, rtol=0.05)


@pytest.mark.parametrize("blocked", KERNELS)
@pytest.mark.parametrize("activation", ["none", "gelu", "silu"])
def test_a_processor_without_bfloat16_multiplies_the_rounded_numbers_in_float32(
    blocked: bool, activation, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(layers, "has_fast_bfloat16", lambda: False)
    x, weight, bias = (part.bfloat16() for part in _parts())
    linear = Linear(weight.float(), bias.float(), blocked=blocked)
    linear.prepare(torch.bfloat16)
    with Products() as products:
        y = linear(x, activation)
    assert products.types == {torch.float32}
    assert y.dtype == torch.bfloat16
    expected = activate(x.double() @ weight.double().T + bias.double(), activation)
    np.testing.assert_allclose(y.double(), expected, rtol=2**-8, atol=1e-5)


@pytest.mark.parametrize("name", ACTIVATIONS)
def test_activations_are_those_of_transformers(name: str) -> None:
    x = torch.linspace(-12, 12, 2001)
    np.testing.assert_allclose(activate(x, ACTIVATIONS[name]), ACT2FN[name](x), atol=2e-6)

import pytest
import torch
from torch.nn import functional

from services.models.layers import linear
from services.models.layers.linear import Linear, differentiable, has_blocked_kernels
from services.models.layers.products import blocked_product, has_wide_units_of_amd

pytestmark = pytest.mark.skipif(not has_blocked_kernels(), reason="needs oneDNN's blocked kernels (AVX-512)")


def _made(rows: int, outputs: int, inputs: int, bias: bool) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor | None]:
    draws = torch.Generator().manual_seed(rows + outputs)
    x, weight, offset = (
        torch.randn(shape, generator=draws).requires_grad_()
        for shape in ((rows, inputs), (outputs, inputs), (outputs,))
    )
    return x, weight, offset if bias else None


@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("shape", [(0, 3, 5), (1, 3, 5), (16, 48, 80), (37, 80, 48), (640, 33, 31), (1024, 384, 384)])
def test_product_and_gradients_are_those_of_the_plain_layer(shape: tuple[int, int, int], bias: bool) -> None:
    x, weight, offset = _made(*shape, bias)
    given = [each for each in (x, weight, offset) if each is not None]
    plain = functional.linear(x, weight, offset)
    outer = torch.randn(plain.shape, generator=torch.Generator().manual_seed(5))
    expected = torch.autograd.grad(plain, given, outer)
    ours = blocked_product(x, weight, offset)
    found = torch.autograd.grad(ours, given, outer)
    torch.testing.assert_close(ours, plain, rtol=1e-5, atol=1e-4)
    for one, other in zip(found, expected, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-5, atol=2e-4)


def test_only_what_is_wanted_gets_a_gradient() -> None:
    x, weight, _ = _made(4, 3, 5, False)
    blocked_product(x.detach(), weight, None).sum().backward()
    assert x.grad is None
    assert weight.grad is not None
    blocked_product(x, weight.detach(), None).sum().backward()
    assert x.grad is not None


@pytest.mark.parametrize("slow", [True, False])
def test_layers_made_for_training_let_gradients_through_in_both_types(
    slow: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(linear, "stock_product_is_slow", lambda: slow)
    _, weight, offset = _made(4, 48, 32, True)
    with differentiable():
        layer = Linear(weight, offset)
    assert not layer.blocked
    layer.prepare(torch.bfloat16)
    x = torch.randn(16, 32)
    product = layer(x)
    assert ("BlockedProduct" in str(product.grad_fn)) is slow
    product.sum().backward()
    assert weight.grad is not None
    exact, weight.grad = weight.grad, None
    layer(x.bfloat16(), "gelu").float().sum().backward()
    assert weight.grad is not None
    assert exact.shape == weight.grad.shape
    served = Linear(weight.detach(), None if offset is None else offset.detach())
    assert served.blocked


@pytest.mark.parametrize(
    ("vendor", "family", "wide"),
    [
        ("AuthenticAMD", 26, True),
        ("AuthenticAMD", 25, False),
        ("AuthenticAMD", 23, False),
        ("GenuineIntel", 6, False),
        ("GenuineIntel", 26, False),
    ],
)
def test_processors_whose_own_product_is_slow(vendor: str, family: int, wide: bool) -> None:
    said = f"processor\t: 0\nvendor_id\t: {vendor}\ncpu family\t: {family}\nmodel\t\t: 17\n"
    assert has_wide_units_of_amd(said) is wide
    assert not has_wide_units_of_amd("processor : 0\nCPU implementer : 0x41\n")

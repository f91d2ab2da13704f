"""What a GPU does in one call for all lengths equals a call for each.

No GPU is needed for the bookkeeping: the kernel's place is taken by its definition, text by text, and its signature is
checked with tensors that have shapes and no numbers. The kernel itself runs where there is a GPU.
"""

from typing import Any

import pytest
import torch
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.nn import functional
from torch.nn.attention import varlen

from services.models.layers import attention, ragged
from services.models.layers.attention import attend
from services.models.layers.packing import LengthGroup

GROUPS = (LengthGroup(0, 1, 9), LengthGroup(9, 3, 5), LengthGroup(24, 2, 2))
ROWS, FILLER = 28, 4
STARTS = torch.tensor([0, 9, 14, 19, 24, 26])


def _by_definition(
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    *borders: Any,
    window_size: tuple[int, int],
    enable_gqa: bool,
) -> torch.Tensor:
    """What PyTorch's page says of `varlen_attn`, with rows of no text left as they lay in memory."""
    first, other, longest, longest_other = borders
    assert first.dtype == other.dtype == torch.int32
    lengths = (first[1:] - first[:-1]).tolist()
    assert longest == longest_other == max(lengths)
    found = torch.full_like(query, float("nan"))
    for begin, end in zip(first[:-1].tolist(), other[1:].tolist(), strict=True):
        q, k, v = (each[begin:end].transpose(0, 1) for each in (query, key, value))
        apart = torch.arange(end - begin)[None, :] - torch.arange(end - begin)[:, None]
        left, right = window_size
        seen = None if left < 0 else (apart >= -left) & (apart <= right)
        context = functional.scaled_dot_product_attention(q, k, v, attn_mask=seen, enable_gqa=enable_gqa)
        found[begin:end] = context.transpose(0, 1)
    return found


@pytest.mark.parametrize("window", [None, 0, 2, 30])
@pytest.mark.parametrize(("heads", "kv_heads"), [(4, None), (4, 2), (3, 1)])
def test_all_lengths_at_once_equal_one_after_the_other(
    monkeypatch: pytest.MonkeyPatch, heads: int, kv_heads: int | None, window: int | None
) -> None:
    width = (heads + 2 * (kv_heads or heads)) * 8
    qkv = torch.randn(ROWS + FILLER, width, generator=torch.Generator().manual_seed(0))
    expected = attend(qkv, GROUPS, heads, window, kv_heads=kv_heads)
    monkeypatch.setattr(varlen, "varlen_attn", _by_definition)
    monkeypatch.setattr(attention, "takes", lambda *_: True)
    found = attend(qkv, GROUPS, heads, window, kv_heads=kv_heads, starts=STARTS)
    torch.testing.assert_close(found, expected, atol=1e-6, rtol=0)
    assert not found[ROWS:].any()


def test_the_kernel_has_this_signature() -> None:
    with FakeTensorMode():
        qkv = torch.empty(ROWS, 3 * 64, dtype=torch.bfloat16, device="cuda")
        starts = torch.empty(6, dtype=torch.int64, device="cuda")
        found = ragged.attend_ragged(qkv, starts, ROWS, 9, heads=4, kv_heads=4, window=None)
        assert (found.shape, found.dtype, found.device.type) == ((ROWS, 64), torch.bfloat16, "cuda")


@pytest.mark.parametrize(
    ("size", "dropout", "dtype", "taken"),
    [
        (64, 0.0, torch.bfloat16, True),
        (64, 0.0, torch.float16, True),
        (64, 0.0, torch.float32, False),
        (64, 0.1, torch.bfloat16, False),
        (20, 0.0, torch.bfloat16, False),
        (264, 0.0, torch.bfloat16, False),
    ],
)
def test_what_the_kernel_takes(
    monkeypatch: pytest.MonkeyPatch, size: int, dropout: float, dtype: torch.dtype, taken: bool
) -> None:
    monkeypatch.setattr(ragged, "_has_kernel", lambda _: True)
    with FakeTensorMode():
        assert ragged.takes(torch.empty(2, 3, dtype=dtype, device="cuda"), size, dropout) is taken
        assert not ragged.takes(torch.empty(2, 3, dtype=dtype), size, dropout), "a processor has no such kernel"


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
@pytest.mark.parametrize("window", [None, 2])
@pytest.mark.parametrize("kv_heads", [None, 2])
def test_the_kernel_itself(window: int | None, kv_heads: int | None) -> None:
    width = (4 + 2 * (kv_heads or 4)) * 64
    qkv = torch.randn(ROWS + FILLER, width, generator=torch.Generator().manual_seed(0)).bfloat16()
    expected = attend(qkv.float(), GROUPS, 4, window, kv_heads=kv_heads)
    given: dict[str, Any] = {"kv_heads": kv_heads, "starts": STARTS.cuda()}
    found = attend(qkv.cuda(), GROUPS, 4, window, **given)
    assert ragged.takes(qkv.cuda(), 64, 0.0)
    torch.testing.assert_close(found.float().cpu(), expected, atol=2e-2, rtol=0)

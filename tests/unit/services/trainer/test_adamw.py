import pytest
import torch
from torch import nn

from services.trainer.adamw import AdamW


@pytest.mark.parametrize("betas", [(0.9, 0.999), (0.5, 0.98)])
def test_steps_are_the_bits_of_torchs_fused_adamw(betas: tuple[float, float]) -> None:
    """Over several groups, and with a parameter whose gradient comes late."""
    torch.manual_seed(0)
    first = [torch.randn(7, 33), torch.randn(33), torch.randn(5)]
    ours, theirs = ([nn.Parameter(each.clone()) for each in first] for _ in range(2))

    def groups(of: list[nn.Parameter]) -> list[dict[str, object]]:
        return [
            {"params": of[:1], "lr": 3e-2, "weight_decay": 0.1},
            {"params": of[1:], "lr": 1e-1, "weight_decay": 0.0},
        ]

    one, other = AdamW(groups(ours), betas), torch.optim.AdamW(groups(theirs), betas=betas, fused=True)
    for step in range(5):
        for mine, reference in zip(ours, theirs, strict=True):
            if mine.ndim > 1 or len(mine) > 5 or step > 1:
                mine.grad = torch.randn(mine.shape)
                reference.grad = mine.grad.clone()
        one.step()
        other.step()
        other.zero_grad()
        assert all(each.grad is None for each in ours)
        for mine, reference in zip(ours, theirs, strict=True):
            assert torch.equal(mine, reference)
            assert one.state.get(mine, {}).keys() == other.state[reference].keys()
            assert all(
                torch.equal(value, other.state[reference][key]) for key, value in one.state.get(mine, {}).items()
            )

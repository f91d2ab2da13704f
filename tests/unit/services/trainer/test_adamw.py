import pytest
import torch
from torch import nn

from services.models.layers.lookup import merged
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


def _sparse(rows: int, width: int, ids: list[int]) -> torch.Tensor:
    """A gradient as two look-ups leave it that were added up: rows may be there twice, in no order."""
    values = torch.randn(len(ids), width)
    return torch.sparse_coo_tensor(torch.tensor([ids]), values, (rows, width), check_invariants=False)


@pytest.mark.parametrize("decay", [0.0, 0.1])
@pytest.mark.parametrize("width", [16, 5])
def test_steps_by_rows_are_the_bits_of_whole_steps(width: int, decay: float) -> None:
    """Few rows at first, more and more of them, and in the end a dense gradient."""
    torch.manual_seed(0)
    first = torch.randn(800, width)
    ours, theirs = nn.Parameter(first.clone()), nn.Parameter(first.clone())
    one = AdamW([{"params": [ours], "lr": 3e-2, "weight_decay": decay}])
    other = torch.optim.AdamW([theirs], lr=3e-2, weight_decay=decay, fused=True)
    by_rows = []
    for step in range(14):
        if step < 13:
            ids = torch.randint(0, 800, (24,)).tolist()
            ours.grad = _sparse(800, width, [*ids, ids[0]] if step % 2 else ids)
            theirs.grad = merged(ours.grad).to_dense()
        else:
            ours.grad = torch.randn(800, width)
            theirs.grad = ours.grad.clone()
        one.step()
        other.step()
        assert ours.grad is None
        by_rows.append("rows" in one.state[ours])
        torch.testing.assert_close(ours, theirs, rtol=1e-6 if width % 8 else 0, atol=0)
        for name in ("exp_avg", "exp_avg_sq", "step"):
            close = {"rtol": 1e-5, "atol": 1e-12} if width % 8 else {"rtol": 0, "atol": 0}
            torch.testing.assert_close(one.state[ours][name], other.state[theirs][name], **close)
    assert by_rows[:3] == [True] * 3
    assert not any(by_rows[8:])


def test_a_run_that_goes_on_takes_the_same_steps_by_rows() -> None:
    torch.manual_seed(0)
    first = torch.randn(400, 12)
    gradients = [_sparse(400, 12, torch.randint(0, 400, (6,)).tolist()) for _ in range(6)]
    whole, parts = nn.Parameter(first.clone()), nn.Parameter(first.clone())
    group = {"lr": 1e-2, "weight_decay": 0.01}
    undisturbed, before = (AdamW([{"params": [each], **group}]) for each in (whole, parts))
    for place, gradient in enumerate(gradients):
        whole.grad = gradient
        undisturbed.step()
        if place == 3:
            after = AdamW([{"params": [parts], **group}])
            after.state[parts] = {name: tensor.clone() for name, tensor in before.state[parts].items()}
            before = after
        parts.grad = gradient
        before.step()
    assert torch.equal(whole, parts)
    assert "rows" in undisturbed.state[whole]
    assert all(torch.equal(tensor, before.state[parts][name]) for name, tensor in undisturbed.state[whole].items())

"""Adversarial alignment: the losses against their formulas, who learns from what, and what the checkpoint has of it."""

import math
from dataclasses import replace

import numpy as np
import pytest
import torch

from services.runtime.errors import InvalidArgument
from services.trainer.alignment.adversary import Adversary, Discriminator, Side, Transform, check_adversary

HOW = Adversary(layer=2, hidden_size=16, dropout=0.0, smoothing=0.1, learning_rate=1e-2)


def _sides(shift: float, width: int = 8) -> tuple[torch.Tensor, torch.Tensor]:
    draws = torch.Generator().manual_seed(1)
    source = torch.randn(64, width, generator=draws)
    return source, torch.randn(48, width, generator=draws) + shift


def _side(rows: torch.Tensor) -> Side:
    return Side(rows, len(rows))


def test_the_losses_are_those_of_the_formulas() -> None:
    discriminator = Discriminator(HOW, 8, seed=0, device="cpu")
    source, target = _sides(1.0)
    x, y = (discriminator.scores(side).detach().double().sigmoid().numpy() for side in (source, target))
    s = HOW.smoothing
    alignment = (
        -s * np.log(x).mean() - (1 - s) * np.log(1 - x).mean() - (1 - s) * np.log(y).mean() - s * np.log(1 - y).mean()
    )
    assert float(discriminator.fooled(_side(source), _side(target))) == pytest.approx(alignment, rel=1e-5)
    assert float(discriminator.fooled(_side(target), _side(source))) == pytest.approx(
        -s * np.log(1 - x).mean() - (1 - s) * np.log(x).mean() - s * np.log(y).mean() - (1 - s) * np.log(1 - y).mean(),
        rel=1e-5,
    )


def test_the_discriminator_learns_from_rows_and_the_rows_from_it_alone() -> None:
    discriminator = Discriminator(HOW, 8, seed=0, device="cpu")
    source, target = _sides(2.0)
    rows = source.clone().requires_grad_(True)
    before = {name: tensor.clone() for name, tensor in discriminator.state().items()}
    for _ in range(60):
        right = discriminator.learn(_side(rows), _side(target))
    assert right > 0.95
    assert rows.grad is None
    learned = {name: tensor.clone() for name, tensor in discriminator.state().items()}
    assert any(not torch.equal(before[name], learned[name]) for name in before)
    loss = discriminator.fooled(_side(rows), _side(target))
    loss.backward()
    assert rows.grad is not None
    # A step against the gradient makes the rows look like those of the target.
    assert float(discriminator.fooled(_side(rows.detach() - rows.grad), _side(target))) < float(loss.detach())
    assert all(torch.equal(learned[name], tensor) for name, tensor in discriminator.state().items())


def test_equal_sides_cannot_be_told_apart() -> None:
    discriminator = Discriminator(replace(HOW, smoothing=0.0), 8, seed=0, device="cpu")
    source, _ = _sides(0.0)
    for _ in range(100):
        discriminator.learn(_side(source), _side(source))
    assert float(discriminator.fooled(_side(source), _side(source))) == pytest.approx(2 * math.log(2), rel=0.05)


def test_a_transform_learns_to_fool_the_discriminator() -> None:
    """The two players on two clouds that differ by a shift: the bias undoes the shift."""
    torch.manual_seed(0)
    transform, discriminator = Transform(4), Discriminator(replace(HOW, hidden_size=32), 4, seed=0, device="cpu")
    optimiser = torch.optim.Adam([transform.bias, transform.change], lr=2e-2)
    source, target = _sides(1.5, width=4)
    for _ in range(300):
        ours = transform(source)
        discriminator.learn(_side(ours), _side(target))
        optimiser.zero_grad()
        discriminator.fooled(_side(ours), _side(target)).backward()
        optimiser.step()
    moved = float((transform(source).mean(dim=0) - target.mean(dim=0)).detach().abs().max())
    assert moved < 0.6


def test_a_transform_is_the_identity_at_first_and_an_intervention_afterwards() -> None:
    transform, rows = Transform(6), torch.randn(5, 6)
    assert torch.equal(transform(rows), rows)
    with torch.no_grad():
        transform.change.normal_()
        transform.bias.normal_()
    edit = transform.edit(3).edit
    assert edit.layer == 3
    assert edit.matrix is not None
    np.testing.assert_allclose(rows.numpy() @ edit.matrix + edit.bias, transform(rows).detach().numpy(), atol=1e-5)


def test_a_discriminator_goes_on_from_its_state() -> None:
    source, target = _sides(0.5)
    one, other = (Discriminator(HOW, 8, seed=seed, device="cpu") for seed in (0, 9))
    for _ in range(3):
        one.learn(_side(source), _side(target))
    other.restore({name: tensor.clone() for name, tensor in one.state().items()})
    for each in (one, other):
        each.learn(_side(source), _side(target))
    ours, theirs = one.state(), other.state()
    assert ours.keys() == theirs.keys()
    assert all(torch.equal(ours[name], theirs[name]) for name in ours)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("layer", -1),
        ("weight", 0.0),
        ("weight", math.inf),
        ("learning_rate", math.nan),
        ("hidden_size", 0),
        ("dropout", 1.0),
        ("smoothing", 0.5),
        ("steps", 0),
    ],
)
def test_settings_that_no_run_can_have_are_refused(field: str, value: float) -> None:
    check_adversary(HOW)
    with pytest.raises(InvalidArgument) as caught:
        check_adversary(replace(HOW, **{field: value}))
    assert caught.value.field == f"adversary.{field}"

import pytest
import torch
from torch import nn

from services.trainer.training.optimiser import Optimiser, rate
from services.trainer.training.plan import Optimisation


@pytest.mark.parametrize(
    ("course", "expected"),
    [
        ("linear", [0.5, 1.0, 0.8, 0.6, 0.4, 0.2]),
        ("constant", [0.5, 1.0, 1.0, 1.0, 1.0, 1.0]),
        ("inverse_sqrt", [0.5, 1.0, (2 / 3) ** 0.5, (2 / 4) ** 0.5, (2 / 5) ** 0.5, (2 / 6) ** 0.5]),
    ],
)
def test_rates_rise_and_then_keep_their_course(course: str, expected: list[float]) -> None:
    found = [rate(step, 6, 1 / 3, course) for step in range(1, 7)]  # type: ignore[arg-type]
    assert found == pytest.approx(expected)


@pytest.mark.parametrize("course", ["linear", "constant", "inverse_sqrt"])
def test_without_warm_up_the_first_step_has_the_peak(course: str) -> None:
    assert rate(1, 5, 0.0, course) == pytest.approx({"linear": 5 / 6}.get(course, 1.0))  # type: ignore[arg-type]
    assert rate(5, 5, 1.0, course) == 1.0  # type: ignore[arg-type]


def test_steps_are_those_of_adamw_with_two_rates_and_no_decay_of_biases() -> None:
    def parts() -> tuple[nn.Linear, nn.Linear]:
        torch.manual_seed(0)
        return nn.Linear(3, 4), nn.Linear(4, 2)

    ours, theirs = parts(), parts()
    how = Optimisation(learning_rate=0.01, head_learning_rate=0.1, weight_decay=0.3, warmup=0.5, course="constant")
    optimiser = Optimiser(dict(ours[0].named_parameters()), dict(ours[1].named_parameters()), how, 4)
    reference = torch.optim.AdamW(
        [
            {"params": [each], "weight_decay": 0.3 if each.ndim > 1 else 0.0, "peak": peak}
            for part, peak in zip(theirs, (0.01, 0.1), strict=True)
            for each in part.parameters()
        ]
    )
    x = torch.randn(5, 3)
    for step, share in zip(range(1, 5), (0.5, 1.0, 1.0, 1.0), strict=True):
        for model in (ours, theirs):
            model[1](model[0](x).tanh()).square().sum().backward()
        norm = torch.nn.utils.clip_grad_norm_([each for part in theirs for each in part.parameters()], 1.0)
        assert optimiser.gradient_norm() == pytest.approx(float(norm))
        assert optimiser.step(step) == pytest.approx(0.01 * share)
        for group in reference.param_groups:
            group["lr"] = group["peak"] * share
        reference.step()
        reference.zero_grad()
    for one, other in zip(ours, theirs, strict=True):
        torch.testing.assert_close(one.weight, other.weight)
        torch.testing.assert_close(one.bias, other.bias)

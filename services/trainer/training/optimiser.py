"""The optimiser: AdamW (Loshchilov and Hutter 2019) with two learning rates, and their course."""

import math
from collections.abc import Mapping

import torch
from torch import Tensor, nn

from services.models.layers.lookup import merged
from services.trainer.adamw import AdamW
from services.trainer.training.plan import Course, Optimisation

HEAD_FACTOR = 10.0
"""Learning rate of the head over that of the encoder, where a plan names none."""

_ROOM = 1e-6
"""What torch's own clipping adds to the norm."""


def rate(step: int, steps: int, warmup: float, course: Course) -> float:
    """Share of the peak learning rate in a step.

    Args:
        step: The step, from 1.
        steps: Steps in all.
        warmup: Share of the steps in which the rate rises from zero.
        course: What comes after.
    """
    rising = math.ceil(warmup * steps)
    if step <= rising:
        return step / rising
    match course:
        case "linear":
            return (steps - step + 1) / (steps - rising + 1)
        case "inverse_sqrt":
            return math.sqrt(max(rising, 1) / step)
        case "constant":
            return 1.0


class Optimiser:
    """Steps of named parameters.

    Args:
        encoder: Parameters of the encoder that are trained.
        head: Parameters of the head.
        settings: Learning rate, schedule, weight decay and clipping.
        steps: Steps in all.
    """

    def __init__(
        self,
        encoder: Mapping[str, nn.Parameter],
        head: Mapping[str, nn.Parameter],
        settings: Optimisation,
        steps: int,
    ) -> None:
        self._settings, self._steps = settings, steps
        self._named = {f"encoder.{name}": each for name, each in encoder.items()}
        self._named.update({f"head.{name}": each for name, each in head.items()})
        head_rate = settings.head_learning_rate
        peaks = (settings.learning_rate, settings.learning_rate * HEAD_FACTOR if head_rate is None else head_rate)
        groups = [
            {
                "params": [each for each in part.values() if (each.ndim > 1) is decayed],
                "lr": peak,
                "peak": peak,
                "weight_decay": settings.weight_decay if decayed else 0.0,
            }
            for part, peak in zip((encoder, head), peaks, strict=True)
            for decayed in (True, False)
        ]
        self._adam = AdamW(group for group in groups if group["params"])

    def step(self, number: int) -> float:
        """Take a step with the gradients that are there, and forget them.

        Args:
            number: The step, from 1.

        Returns:
            Learning rate of the encoder.
        """
        share = rate(number, self._steps, self._settings.warmup, self._settings.course)
        for group in self._adam.groups:
            group["lr"] = group["peak"] * share
        self._adam.step()
        return self._settings.learning_rate * share

    def gradient_norm(self) -> float:
        """Norm of the whole gradient, which is then no longer than `clip` where there is a bound."""
        gradients = [_values(each) for each in self.parameters if each.grad is not None]
        norm = float(torch.nn.utils.get_total_norm(gradients))
        bound = self._settings.clip or math.inf
        if norm > bound:
            torch._foreach_mul_(gradients, bound / (norm + _ROOM))
        return norm

    @property
    def parameters(self) -> list[nn.Parameter]:
        """All parameters in order."""
        return list(self._named.values())

    def weights(self) -> dict[str, Tensor]:
        """All parameters by name."""
        return {name: parameter.detach() for name, parameter in self._named.items()}

    def moments(self) -> dict[str, Tensor]:
        """The optimiser's state by name."""
        return {
            f"{quantity}/{name}": value
            for name, parameter in self._named.items()
            for quantity, value in self._adam.state.get(parameter, {}).items()
        }

    def restore(self, weights: Mapping[str, Tensor], moments: Mapping[str, Tensor]) -> None:
        """Set what `weights` and `moments` gave.

        Raises:
            KeyError: A parameter is missing.
        """
        with torch.no_grad():
            for name, parameter in self._named.items():
                parameter.copy_(weights[name])
        for key, value in moments.items():
            quantity, _, name = key.partition("/")
            parameter = self._named[name]
            self._adam.state.setdefault(parameter, {})[quantity] = value.to(parameter.device)


def _values(parameter: nn.Parameter) -> Tensor:
    """The numbers of a gradient, those of a sparse one with each row once; to scale them scales the gradient."""
    assert parameter.grad is not None
    if not parameter.grad.is_sparse:
        return parameter.grad
    parameter.grad = merged(parameter.grad)
    return parameter.grad._values()

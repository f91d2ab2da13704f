"""AdamW (Loshchilov and Hutter 2019) without what `torch.optim` imports."""

from collections.abc import Iterable
from typing import Any, Final

import torch
from torch import Tensor, nn
from torch.optim.adamw import adamw

_EPSILON: Final = 1e-8


class AdamW:
    """Fused steps of AdamW, the same bits as `torch.optim.AdamW(fused=True)` takes, over torch's own function.

    The optimisers of `torch.optim` import torch's compiler, which takes a job some two seconds and no step needs.

    Args:
        groups: Parameters with their `lr` and `weight_decay`; further keys are the caller's.
        betas: Rates of the averages of gradients and of their squares.

    Attributes:
        groups: The groups; a step uses what they say then.
        state: Of each parameter that has had a step: `step`, `exp_avg` and `exp_avg_sq`.
    """

    def __init__(self, groups: Iterable[dict[str, Any]], betas: tuple[float, float] = (0.9, 0.999)) -> None:
        self.groups, self._betas = list(groups), betas
        self.state: dict[nn.Parameter, dict[str, Tensor]] = {}

    @torch.no_grad()
    def step(self) -> None:
        """Move all parameters that have a gradient, and forget the gradients."""
        for group in self.groups:
            moved = [each for each in group["params"] if each.grad is not None]
            if not moved:
                continue
            states = [self._of(each) for each in moved]
            adamw(
                moved,
                [each.grad for each in moved],
                [each["exp_avg"] for each in states],
                [each["exp_avg_sq"] for each in states],
                [],
                [each["step"] for each in states],
                fused=True,
                amsgrad=False,
                beta1=self._betas[0],
                beta2=self._betas[1],
                lr=group["lr"],
                weight_decay=group["weight_decay"],
                eps=_EPSILON,
                maximize=False,
            )
            for each in moved:
                each.grad = None

    def _of(self, parameter: nn.Parameter) -> dict[str, Tensor]:
        if parameter not in self.state:
            self.state[parameter] = {
                # The count is on the parameter's device, where fused steps want it.
                "step": torch.zeros((), dtype=torch.float32, device=parameter.device),
                "exp_avg": torch.zeros_like(parameter, memory_format=torch.preserve_format),
                "exp_avg_sq": torch.zeros_like(parameter, memory_format=torch.preserve_format),
            }
        return self.state[parameter]

"""AdamW (Loshchilov and Hutter 2019) without what `torch.optim` imports, and with steps of single rows of a table."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Final

import torch
from torch import Tensor, nn
from torch.optim.adamw import adamw

from services.models.layers.lookup import merged

_EPSILON: Final = 1e-8
_FEW: Final = 8
"""A table of which less than one row in so many ever had a gradient is moved row by row: copying rows to and fro costs
several times as much a row as the step itself."""


class AdamW:
    """Fused steps of AdamW, the same bits as `torch.optim.AdamW(fused=True)` takes, over torch's own function.

    The optimisers of `torch.optim` import torch's compiler, which takes a job some two seconds and no step needs.

    A table may have a sparse gradient. Its step is that of the dense one, where rows without a gradient move by their
    moments. Those that never had one have no moments, and nothing but the weight decay moves them: as long as few rows
    have ever had a gradient, these alone are looked at. The bits are the same where a row's width is a multiple of the
    processor's vectors; elsewhere the last bits of some elements may differ.

    Args:
        groups: Parameters with their `lr` and `weight_decay`; further keys are the caller's.
        betas: Rates of the averages of gradients and of their squares.

    Attributes:
        groups: The groups; a step uses what they say then.
        state: Of each parameter that has had a step: `step`, `exp_avg` and `exp_avg_sq`; of one that is moved by rows
            also `rows`, the ascending numbers of those that ever had a gradient.
    """

    def __init__(self, groups: Iterable[dict[str, Any]], betas: tuple[float, float] = (0.9, 0.999)) -> None:
        self.groups, self._betas = list(groups), betas
        self.state: dict[nn.Parameter, dict[str, Tensor]] = {}
        self._dense: dict[nn.Parameter, Tensor] = {}

    @torch.no_grad()
    def step(self) -> None:
        """Move all parameters that have a gradient, and forget the gradients."""
        for group in self.groups:
            rate, decay = group["lr"], group["weight_decay"]
            moved = [each for each in group["params"] if each.grad is not None]
            moves = [self._move(each, 1 - rate * decay) for each in moved]
            self._take([each for each in moves if each.rows is None], rate, decay)
            # Their decay is that of the whole table, which comes before the step in the dense one, too.
            self._take([each for each in moves if each.rows is not None], rate, 0.0)
            for parameter, each in zip(moved, moves, strict=True):
                self._settle(parameter, each)
                parameter.grad = None

    def _take(self, moves: Sequence["_Move"], rate: float, decay: float) -> None:
        if not moves:
            return
        adamw(
            [each.values for each in moves],
            [each.gradient for each in moves],
            [each.average for each in moves],
            [each.squares for each in moves],
            [],
            [each.count for each in moves],
            fused=True,
            amsgrad=False,
            beta1=self._betas[0],
            beta2=self._betas[1],
            lr=rate,
            weight_decay=decay,
            eps=_EPSILON,
            maximize=False,
        )

    def _move(self, parameter: nn.Parameter, kept: float) -> "_Move":
        """What a step moves of a parameter, of which the weight decay leaves a share."""
        gradient = parameter.grad
        assert gradient is not None
        state = self._of(parameter, by_rows=gradient.is_sparse)
        count, average, squares = state["step"], state["exp_avg"], state["exp_avg_sq"]
        if not gradient.is_sparse:
            state.pop("rows", None)
            return _Move(count, parameter, gradient, average, squares)
        gradient = merged(gradient)
        ids, values = gradient._indices()[0], gradient._values()
        if (rows := state.get("rows")) is not None:
            rows = torch.unique(torch.cat([rows, ids]))
            if len(rows) * _FEW < len(parameter):
                state["rows"] = rows
                if kept != 1:
                    parameter.mul_(kept)
                of_rows = values.new_zeros(len(rows), values.shape[1])
                of_rows[torch.searchsorted(rows, ids)] = values
                some, average, squares = (each.index_select(0, rows) for each in (parameter, average, squares))
                return _Move(count, some, of_rows, average, squares, rows=rows)
            del state["rows"]
        if parameter not in self._dense:
            self._dense[parameter] = torch.zeros_like(parameter)
        dense = self._dense[parameter].index_copy_(0, ids, values)
        return _Move(count, parameter, dense, average, squares, filled=ids)

    def _settle(self, parameter: nn.Parameter, move: "_Move") -> None:
        """Puts back what was moved in a copy; a gradient that is used again is zero again."""
        if move.rows is not None:
            state = self.state[parameter]
            moved = (parameter, move.values), (state["exp_avg"], move.average), (state["exp_avg_sq"], move.squares)
            for whole, part in moved:
                whole.index_copy_(0, move.rows, part)
        if move.filled is not None:
            move.gradient.index_fill_(0, move.filled, 0.0)

    def _of(self, parameter: nn.Parameter, *, by_rows: bool) -> dict[str, Tensor]:
        if parameter not in self.state:
            self.state[parameter] = {
                # The count is on the parameter's device, where fused steps want it.
                "step": torch.zeros((), dtype=torch.float32, device=parameter.device),
                "exp_avg": torch.zeros_like(parameter, memory_format=torch.preserve_format),
                "exp_avg_sq": torch.zeros_like(parameter, memory_format=torch.preserve_format),
            }
            if by_rows:
                self.state[parameter]["rows"] = torch.zeros(0, dtype=torch.int64, device=parameter.device)
        return self.state[parameter]


@dataclass(frozen=True, eq=False)
class _Move:
    """What a step moves of a parameter.

    Attributes:
        count: Steps so far.
        values: The parameter, or a copy of some rows.
        gradient: Of them.
        average: Their average gradient.
        squares: Their average squared gradient.
        rows: Numbers of the rows that were copied; None where the parameter itself is moved.
        filled: Rows of a gradient that is used again; None where it is not.
    """

    count: Tensor
    values: Tensor
    gradient: Tensor
    average: Tensor
    squares: Tensor
    rows: Tensor | None = None
    filled: Tensor | None = None

"""RANDOM-INIT of an encoder of transformers: layers drawn anew by the model's own `_init_weights`.

Each layer has the generator of `services.models.reinit`. `_init_weights` takes no generator, and would draw from that
of the process; a mode of PyTorch hands ours to every function that draws, on this thread alone. A model that is served
packed as well is one model with one digest under either engine: its tensors are those that the packed family draws,
since some rules of transformers (ModernBERT's, RoBERTa's) draw a tensor twice, or in another order.
"""

import copy
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

import torch
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

from services.models.families import Family
from services.models.general.loading import Base, twin
from services.models.reinit import Draw, drawn_tensors, draws
from services.models.spec import Reinit
from services.models.weights import Slot
from services.runtime.errors import FailedPrecondition
from services.runtime.work import check_here

_DRAWING: Final = frozenset(
    {
        "normal_", "uniform_", "trunc_normal_", "kaiming_normal_", "kaiming_uniform_", "xavier_normal_",
        "xavier_uniform_", "orthogonal_", "sparse_", "random_", "bernoulli_", "exponential_", "rand", "randn",
        "randint", "normal", "bernoulli",
    }
)  # fmt: skip


def reinitialised(base: Base, reinit: Sequence[Reinit], subject: str, *, packed: Family | None = None) -> nn.Module:
    """The encoder with some layers drawn anew, without hooks; all other tensors are the very ones of the base.

    Layers that share a block are drawn once, as the lowest of them.

    Args:
        base: The encoder; left as it was.
        reinit: What to draw, in order; already checked.
        subject: What to call the model in errors.
        packed: Family that serves the model packed; None where none does.

    Raises:
        FailedPrecondition: The model has tensors of which it does not say how they are drawn.
    """
    variant = twin(base.module)
    done: set[str] = set()
    for layer, draw in draws(reinit, base.device):
        check_here()
        names = [name for name in base.structure.parts[layer] if name not in done]
        done.update(names)
        given = {} if packed is None or not names else drawn_tensors(packed, base.config, layer, draw)
        found = _drawn(base.module, names, draw, subject) if packed is None else _named(given, names, subject)
        for name, drawn in found.items():
            holder, _, attribute = name.rpartition(".")
            parameter = nn.Parameter(drawn.to(base.device), requires_grad=False)
            setattr(variant.get_submodule(holder), attribute, parameter)
    return variant


def _named(given: Mapping[str, Tensor], names: Sequence[str], subject: str) -> dict[str, Tensor]:
    """The tensors of a packed layer, which are all that the module has there."""
    if lacking := sorted(set(names) - given.keys()):
        raise FailedPrecondition(subject, f"its packed family does not say how its tensor {lacking[0]} is drawn")
    return {name: given[name] for name in names}


def _drawn(module: nn.Module, names: Sequence[str], draw: Draw, subject: str) -> dict[str, Tensor]:
    """Tensors drawn anew, by name, on the processor."""
    wanted = set(names)
    holders = list(dict.fromkeys(name.rpartition(".")[0] for name in names))
    found: dict[str, Tensor] = {}
    fill = _fill_own(module, draw) if draw.scheme == "model" else _fill_default(draw, subject)
    for holder in _by_children(module, holders):
        sketch = _emptied(module.get_submodule(holder))
        fill(sketch)
        for attribute, parameter in sketch.named_parameters():
            name = f"{holder}.{attribute}".removeprefix(".")
            if name in wanted and not bool(torch.isnan(parameter).any()):
                found[name] = parameter.detach()
    unknown = sorted(wanted - found.keys())
    if unknown:
        raise FailedPrecondition(subject, f"transformers does not say how its tensor {unknown[0]} is drawn")
    return {name: found[name] for name in names}


def _by_children(module: nn.Module, holders: Sequence[str]) -> list[str]:
    """Modules that hold the tensors and those around them within the same blocks, children before parents.

    Some rules stand with the parent: T5 draws its attention's matrices where the attention is at hand.
    """
    around = set(holders)
    for holder in holders:
        parts = holder.split(".")
        parents = (".".join(parts[:size]) for size in range(len(parts) - 1, 0, -1))
        for parent in parents:
            if isinstance(module.get_submodule(parent), nn.ModuleList):
                break
            if not any(isinstance(part, nn.ModuleList) for part in module.get_submodule(parent).modules()):
                around.add(parent)
    order: list[str] = []

    def visit(name: str, part: nn.Module) -> None:
        for child, inner in part.named_children():
            visit(f"{name}.{child}".removeprefix("."), inner)
        if name in around:
            order.append(name)

    visit("", module)
    return order


def _emptied(part: nn.Module) -> nn.Module:
    """A copy on the processor whose own tensors and those below are not yet drawn."""
    memo: dict[int, Any] = {id(tensor): tensor for tensor in part.parameters()}
    sketch = copy.deepcopy(part, memo)
    for inner in sketch.modules():
        for name, parameter in inner.named_parameters(recurse=False):
            empty = torch.full(parameter.shape, torch.nan, dtype=torch.float32)
            setattr(inner, name, nn.Parameter(empty, requires_grad=False))
    return sketch


def _fill_own(module: nn.Module, draw: Draw) -> Callable[[nn.Module], None]:
    """The model's own rule for one module."""
    own: Any = module

    def fill(sketch: nn.Module) -> None:
        with torch.no_grad(), _Drawing(draw.generator):
            own._init_weights(sketch)

    return fill


def _fill_default(draw: Draw, subject: str) -> Callable[[nn.Module], None]:
    """What PyTorch's constructors draw, for one module."""

    def fill(sketch: nn.Module) -> None:
        slots = _slots(sketch)
        for name, parameter in sketch.named_parameters(recurse=False):
            if name not in slots:
                raise FailedPrecondition(
                    subject,
                    f"its {type(sketch).__name__} is no layer of PyTorch, so that the scheme `torch_default` does not "
                    "say how it is drawn; `model` does",
                )
            parameter.data = draw.tensor(slots[name]).cpu()

    return fill


def _slots(part: nn.Module) -> dict[str, Slot]:
    """The tensors of a layer of PyTorch and how they are drawn."""
    shapes = {name: tuple(parameter.shape) for name, parameter in part.named_parameters(recurse=False)}
    if isinstance(part, nn.Linear):
        rules: dict[str, Any] = {"weight": "matrix", "bias": "bias"}
        return {name: Slot(name, shapes[name], rules[name], inputs=part.in_features) for name in shapes}
    if isinstance(part, nn.Embedding):
        return {name: Slot(name, shapes[name], "table", padding=part.padding_idx) for name in shapes}
    if "Norm" in type(part).__name__:
        return {name: Slot(name, shapes[name], "scale" if name == "weight" else "offset") for name in shapes}
    return {}


class _Drawing(TorchFunctionMode):
    """Hands a generator to every function of PyTorch that draws and was given none."""

    def __init__(self, generator: torch.Generator) -> None:
        super().__init__()
        self._generator = generator

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        given = dict(kwargs or {})
        if getattr(func, "__name__", "") in _DRAWING and given.get("generator") is None:
            given["generator"] = self._generator
        return func(*args, **given)

"""Hidden states of a module of transformers, read and replaced while it runs."""

import threading
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from torch import Tensor, nn

from services.models.general.rounding import round_linears

Visit = Callable[[int, Tensor], Tensor]
"""Layer and its hidden state, [B, T, d], to the hidden state that goes on; the argument itself to leave it."""


@dataclass(frozen=True)
class Site:
    """Where a hidden state passes.

    Attributes:
        module: Qualified name of a module.
        call: Which of the module's calls in one run, from 0: a shared block is called once a layer.
        entry: Whether the hidden state is the module's first argument, rather than its result.
    """

    module: str
    call: int
    entry: bool = False


class _Reached(Exception):
    """Ends a run at the highest layer wanted."""


@dataclass(eq=False)
class _Run:
    """One pass through the module, on one thread."""

    visit: Visit
    last: int
    rounded: bool
    calls: Counter[str] = field(default_factory=Counter)


class Taps:
    """A module with hooks at its hidden states. Several threads may run it at once.

    Args:
        module: The encoder; hooks are added to it, so that it cannot be copied afterwards.
        sites: L + 1 places, of hidden states 0..L.
    """

    def __init__(self, module: nn.Module, sites: Sequence[Site]) -> None:
        self.module = module
        self.layers = len(sites) - 1
        self._threads = threading.local()
        self._places = {(site.module, site.call, site.entry): layer for layer, site in enumerate(sites)}
        for name in dict.fromkeys(site.module for site in sites):
            hooked = module.get_submodule(name)
            hooked.register_forward_pre_hook(self._entering(name), with_kwargs=True)
            hooked.register_forward_hook(self._leaving(name))
        round_linears(module, self._rounded)

    def run(self, inputs: Mapping[str, Any], visit: Visit, last: int, *, rounded: bool = False) -> None:
        """Run the encoder up to a layer.

        Args:
            inputs: Keyword arguments of the module.
            visit: Called with each layer's hidden state, from 0 up.
            last: Highest layer wanted.
            rounded: Whether the products of linear layers are in bfloat16; all else stays float32.
        """
        self._threads.run = _Run(visit, last, rounded)
        try:
            self.module(**inputs)
        except _Reached:
            pass
        finally:
            self._threads.run = None

    def _rounded(self) -> bool:
        run: _Run | None = getattr(self._threads, "run", None)
        return run is not None and run.rounded

    def _at(self, run: _Run, name: str, call: int, entry: bool, hidden: Tensor) -> Tensor:
        """What goes on from a place."""
        layer = self._places[name, call, entry]
        changed = run.visit(layer, hidden)
        if layer >= run.last:
            raise _Reached
        return changed

    def _entering(self, name: str) -> Callable[..., Any]:
        def hook(_: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
            run: _Run | None = getattr(self._threads, "run", None)
            if run is None:
                return None
            call = run.calls[name]
            run.calls[name] += 1
            if (name, call, True) not in self._places:
                return None
            if args:
                return (self._at(run, name, call, True, args[0]), *args[1:]), kwargs
            return args, kwargs | {"hidden_states": self._at(run, name, call, True, kwargs["hidden_states"])}

        return hook

    def _leaving(self, name: str) -> Callable[..., Any]:
        def hook(_: nn.Module, __: Any, output: Any) -> Any:
            run: _Run | None = getattr(self._threads, "run", None)
            if run is None:
                return None
            call = run.calls[name] - 1
            if (name, call, False) not in self._places:
                return None
            changed = self._at(run, name, call, False, first_tensor(output))
            return changed if isinstance(output, Tensor) else (changed, *output[1:])

        return hook


def first_tensor(value: Any) -> Any:
    """A tensor, or the first element of a tuple; None where that is no tensor."""
    first = value[0] if type(value) is tuple and value else value
    return first if isinstance(first, Tensor) else None

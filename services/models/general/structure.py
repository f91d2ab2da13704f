"""The blocks of an encoder and the places of its hidden states, found in a trace of one run.

Blocks are the members of a `ModuleList` of equal classes that are called L times in all, L + 1 being the number of
hidden states that the model reports. XLM keeps attention, norms and feed-forward layers in several such lists; ALBERT
calls the members of one list again and again. The place of hidden state l is the last call, before block l + 1 begins,
whose result equals what the model reports as hidden state l: the block itself, a convolution after it (DeBERTa-v2), or
the norm after the last one.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from services.models.general.taps import Site, first_tensor


class Unfit(Exception):
    """Why a model cannot be served by hooks."""


@dataclass(frozen=True)
class Structure:
    """What was found in a module.

    Attributes:
        sites: L + 1 places, of hidden states 0..L.
        parts: L + 1 tuples of names of parameters: of the embeddings, and of each block. Layers that share a block
            have the same tuple.
        hidden_size: d.
    """

    sites: tuple[Site, ...]
    parts: tuple[tuple[str, ...], ...]
    hidden_size: int

    @property
    def layers(self) -> int:
        """Number of blocks, L."""
        return len(self.sites) - 1


@dataclass(frozen=True)
class _Event:
    """A module that begins or ends.

    Attributes:
        name: Name of the module.
        call: Number of the module's call.
        entry: Whether it begins.
        equal: Layers whose hidden state is its first argument or its result.
    """

    name: str
    call: int
    entry: bool
    equal: tuple[int, ...]


def find(module: nn.Module, inputs: Mapping[str, Any]) -> Structure:
    """The blocks and hidden states of an encoder.

    Args:
        module: The encoder, without hooks.
        inputs: Keyword arguments of a run on one text of T tokens, without padding.

    Raises:
        Unfit: There are none, or they cannot be told.
    """
    states = reported_states(module, inputs)
    events = _trace(module, inputs, states)
    lists = _block_lists(module, events, len(states) - 1)
    layers = len(states) - 1
    starts = [min(_place(events, name, call, True) for name, call in calls) for calls in zip(*lists, strict=True)]
    sites = [_embedding_site(events, starts[0])]
    for layer in range(1, layers + 1):
        end = starts[layer] if layer < layers else len(events)
        ends = [
            event
            for event in events[starts[layer - 1] : end]
            if not event.entry and event.name and layer in event.equal
        ]
        if not ends:
            raise Unfit(f"no module gives what it reports as hidden state {layer}")
        sites.append(Site(ends[-1].name, ends[-1].call))
    blocks = [tuple(name for name, _ in calls) for calls in zip(*lists, strict=True)]
    return Structure(tuple(sites), _parts(module, events, starts, blocks), states[0].shape[-1])


def reported_states(module: nn.Module, inputs: Mapping[str, Any]) -> tuple[Tensor, ...]:
    """What a module reports as its hidden states: L + 1 tensors [B, T, d].

    Raises:
        Unfit: It reports none, or not one for each token.
    """
    with torch.no_grad():
        output = module(**inputs, output_hidden_states=True)
    states = getattr(output, "hidden_states", None)
    if not isinstance(states, tuple) or len(states) < 2 or not all(isinstance(state, Tensor) for state in states):
        raise Unfit("it reports no hidden states")
    expected = (*inputs["input_ids"].shape, states[0].shape[-1])
    for layer, state in enumerate(states):
        if tuple(state.shape) != expected:
            raise Unfit(
                f"Expected a hidden state for each token, {list(expected)}, but hidden state {layer} is "
                f"{list(state.shape)}"
            )
    return tuple(state.clone() for state in states)


def _trace(module: nn.Module, inputs: Mapping[str, Any], states: Sequence[Tensor]) -> list[_Event]:
    """Beginnings and ends of all modules in one run."""
    events: list[_Event] = []
    calls: dict[str, int] = {}
    tokens = states[0].shape[1]

    def equal(value: Any) -> tuple[int, ...]:
        tensor = first_tensor(value)
        if tensor is None or tensor.ndim != 3 or tensor.shape[1] < tokens or tensor.shape[-1] != states[0].shape[-1]:
            return ()
        return tuple(layer for layer, state in enumerate(states) if torch.equal(tensor[:, :tokens], state))

    def begin(name: str, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        calls[name] = calls.get(name, -1) + 1
        events.append(_Event(name, calls[name], True, equal(args[0] if args else kwargs.get("hidden_states"))))

    def end(name: str, output: Any) -> None:
        events.append(_Event(name, calls[name], False, equal(output)))

    handles = []
    for name, part in module.named_modules():
        handles += [
            part.register_forward_pre_hook(lambda _, a, k, name=name: begin(name, a, k), with_kwargs=True),
            part.register_forward_hook(lambda _, __, output, name=name: end(name, output)),
        ]
    try:
        with torch.no_grad():
            module(**inputs)
    finally:
        for handle in handles:
            handle.remove()
    return events


def _block_lists(module: nn.Module, events: Sequence[_Event], layers: int) -> list[list[tuple[str, int]]]:
    """The calls of the blocks, in order, for each list that holds blocks or parts of them.

    Raises:
        Unfit: There is none.
    """
    found: dict[str, list[tuple[str, int]]] = {}
    for name, part in module.named_modules():
        if not isinstance(part, nn.ModuleList) or any(name.startswith(f"{outer}.") for outer in found):
            continue
        members = {f"{name}.{place}".removeprefix("."): type(member) for place, member in enumerate(part)}
        calls = [(event.name, event.call) for event in events if event.entry and event.name in members]
        if len(calls) == layers and len(set(members.values())) == 1 and _alternates(events, calls):
            found[name] = calls
    if not found:
        raise Unfit(
            f"it has no encoder blocks: no list of equal modules is run {layers} times, once between each of the "
            f"{layers + 1} hidden states that it reports"
        )
    return list(found.values())


def _alternates(events: Sequence[_Event], calls: Sequence[tuple[str, int]]) -> bool:
    """Whether the n-th call comes after hidden state n - 1 and before hidden state n."""
    for layer, (name, call) in enumerate(calls, start=1):
        start = _place(events, name, call, True)
        if not any(not event.entry and layer in event.equal for event in events[start:]):
            return False
        if layer > 1 and not any(not event.entry and layer - 1 in event.equal for event in events[:start]):
            return False
    return True


def _embedding_site(events: Sequence[_Event], start: int) -> Site:
    """The place of hidden state 0: the last result before the first block, or else what enters that block."""
    before = [event for event in events[:start] if not event.entry and event.name and 0 in event.equal]
    if before:
        return Site(before[-1].name, before[-1].call)
    first = events[start]
    if 0 not in first.equal:
        raise Unfit("what enters its first block is not what it reports as hidden state 0")
    return Site(first.name, first.call, entry=True)


def _place(events: Sequence[_Event], name: str, call: int, entry: bool) -> int:
    return next(
        place
        for place, event in enumerate(events)
        if event.name == name and event.call == call and event.entry is entry
    )


def _parts(
    module: nn.Module, events: Sequence[_Event], starts: Sequence[int], blocks: Sequence[Sequence[str]]
) -> tuple[tuple[str, ...], ...]:
    """Names of the parameters of the embeddings and of each block.

    A table that one block has and another one lacks serves them all (the relative positions of T5), so it belongs to
    the embeddings; so does a table that no call looks up (those of DeBERTa). Modules that run between two blocks belong
    to the one before, unless they run several times; what runs after the last block, its norm, belongs to none.
    """
    members = {name for names in blocks for name in names}
    owner: dict[str, str] = {}
    parts: list[list[str]] = [[] for _ in range(len(blocks) + 1)]
    tables = {f"{name}.weight" for name, part in module.named_modules() if isinstance(part, nn.Embedding)}
    names = [name for name, _ in module.named_parameters()]
    for name in names:
        block = next((member for member in members if name.startswith(f"{member}.")), "")
        if block:
            owner[name] = block
    inner = {block: {name.removeprefix(block) for name in names if owner.get(name) == block} for block in members}
    for name in names:
        if name in owner:
            block = owner[name]
            peers = [peer for peer in members if peer.rpartition(".")[0] == block.rpartition(".")[0]]
            if name in tables and any(name.removeprefix(block) not in inner[peer] for peer in peers):
                parts[0].append(name)
                continue
            for layer, own in enumerate(blocks, start=1):
                if block in own:
                    parts[layer].append(name)
            continue
        holder = name.rpartition(".")[0]
        times = [place for place, event in enumerate(events) if event.entry and event.name == holder]
        layers = {sum(start <= place for start in starts) for place in times}
        if layers == {0} or (not layers and name in tables):
            parts[0].append(name)
        elif len(layers) == 1 and (layer := layers.pop()) < len(blocks):
            parts[layer].append(name)
    return tuple(tuple(part) for part in parts)

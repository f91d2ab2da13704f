"""RANDOM-INIT: layers drawn anew from a model's own initial distribution (Muller et al. 2021, section 2.1).

A block is its attention, intermediate and output layers with their norms. Each layer has a generator of its own, whose
seed follows from the request's seed and the layer's number: what is drawn depends on nothing else, neither on the
process, nor on the global generator, nor on which other layers are drawn.
"""

import hashlib
from collections.abc import Hashable, Iterator, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import torch
from torch import Tensor

from services.models.families import Family
from services.models.spec import Reinit, Scheme
from services.models.weights import Encoder, Slot
from services.runtime.errors import InvalidArgument
from services.runtime.work import check_here


def check(reinit: Sequence[Reinit], layers: int, model: str) -> None:
    """Refuse layers that a model does not have.

    Raises:
        InvalidArgument: Names the field, the layers that exist and the one asked for.
    """
    for place, step in enumerate(reinit):
        field = f"spec.model.reinit[{place}]"
        if not step.layers and not step.embeddings:
            raise InvalidArgument(f"{field}.layers", "Expected at least one layer, or the embeddings, but got neither")
        for layer in step.layers:
            if not 1 <= layer <= layers:
                raise InvalidArgument(
                    f"{field}.layers", f"Expected `layers` within 1..{layers} for model {model}, but got {layer}"
                )


def check_shared(reinit: Sequence[Reinit], sharing: Sequence[Hashable], model: str) -> None:
    """Refuse to draw some of the layers that share a block: the others would change with them.

    Args:
        reinit: What to draw, in order.
        sharing: What each layer runs, from the first; equal ones are shared.
        model: Name of the model, for the message.

    Raises:
        InvalidArgument: Names the layers that must be drawn together.
    """
    last = {layer: place for place, step in enumerate(reinit) for layer in step.layers}
    for layer, place in last.items():
        together = [other for other, block in enumerate(sharing, start=1) if block == sharing[layer - 1]]
        if any(last.get(other) != place for other in together):
            raise InvalidArgument(
                f"spec.model.reinit[{place}].layers",
                f"Expected layers {', '.join(map(str, together))} of model {model} together, as they share a block, "
                f"but got {', '.join(map(str, reinit[place].layers))}",
            )


def reinitialised(
    encoder: Encoder,
    family: Family,
    config: Any,
    reinit: Sequence[Reinit],
    device: str,
) -> Encoder:
    """An encoder with some layers drawn anew; all other layers are the very ones of the base.

    Layers that share a block are drawn once, as the lowest of them, and share the new block. Where the embeddings are
    drawn, so is the output layer of a head that shares the word table.

    Args:
        encoder: The base; left as it was.
        family: Its family.
        config: transformers' configuration.
        reinit: What to draw, in order; already checked.
        device: Device that receives the tensors.
    """
    blocks, embeddings = list(encoder.blocks), encoder.embeddings
    for layer, draw in draws(reinit, device):
        check_here()
        if layer == 0:
            embeddings = family.embeddings(draw, config)
        elif family.lowest(config, layer) == layer:
            blocks[layer - 1] = family.block(draw, config, layer)
        else:
            blocks[layer - 1] = blocks[family.lowest(config, layer) - 1]
    head = encoder.head
    if head is not None and embeddings is not encoder.embeddings:
        head = head.with_tables(embeddings.words)
    return replace(encoder, blocks=tuple(blocks), embeddings=embeddings, head=head)


def draws(reinit: Sequence[Reinit], device: str) -> Iterator[tuple[int, "Draw"]]:
    """The layers to draw anew, each with the source of its tensors; layer 0 are the embeddings.

    What is drawn depends on its own step only: of the steps that draw a layer, the last is the one that stays.
    """
    last = {layer: step for step in reinit for layer in (*step.layers, *([0] if step.embeddings else []))}
    for layer, step in sorted(last.items(), key=lambda item: item[0]):
        yield layer, Draw(step.seed, layer, step.scheme, device)


def drawn_tensors(family: Family, config: Any, layer: int, draw: "Draw") -> dict[str, Tensor]:
    """The tensors of one layer as `reinitialised` draws them, by their names in a checkpoint.

    For modules of transformers that run a packed family: its rule there may draw in another order.

    Args:
        family: The family.
        config: transformers' configuration.
        layer: Number of the layer; the lowest of those that share its block, 0 for the embeddings.
        draw: Source of the layer's tensors.
    """
    kept = _Kept(draw)
    if layer == 0:
        family.embeddings(kept, config)
    else:
        family.block(kept, config, layer)
    return kept.tensors


class Draw:
    """A source of weights that draws them.

    Args:
        seed: The request's seed.
        layer: Number of the layer; 0 for the embeddings.
        scheme: `model`, the rule of the slot; `torch_default`, what PyTorch's constructors draw.
        device: Device that receives the tensors. The draw itself is on the CPU, so that it is the same everywhere.

    Attributes:
        scheme: The distribution.
        generator: The layer's own.
    """

    def __init__(self, seed: int, layer: int, scheme: Scheme, device: str) -> None:
        digest = hashlib.sha256(f"babelscope reinit seed={seed} layer={layer}".encode()).digest()
        self.scheme = scheme
        self.generator = torch.Generator().manual_seed(int.from_bytes(digest[:4], "little"))
        self._draw = _draw_own if scheme == "model" else _draw_default
        self._device = device

    def tensor(self, slot: Slot) -> Tensor:
        """The tensor of a slot, float32. Slots must be asked for in the family's order."""
        drawn = torch.empty(slot.shape, dtype=torch.float32)
        match slot.rule:
            case "scale":
                drawn.fill_(1.0)
            case "offset":
                drawn.zero_()
            case _:
                self._draw(drawn, slot, self.generator)
        if slot.rule == "table" and slot.padding is not None:
            drawn[slot.padding] = 0.0
        return drawn.to(self._device)


class _Kept:
    """A source of weights that keeps what another gives.

    Args:
        draw: The other.

    Attributes:
        tensors: What it has given, by name.
    """

    def __init__(self, draw: Draw) -> None:
        self.tensors: dict[str, Tensor] = {}
        self._draw = draw

    def tensor(self, slot: Slot) -> Tensor:
        """The tensor of a slot."""
        self.tensors[slot.name] = drawn = self._draw.tensor(slot)
        return drawn


def _draw_own(drawn: Tensor, slot: Slot, generator: torch.Generator) -> None:
    """The model's own rule: normal, cut where the family cuts; biases zero."""
    if slot.rule == "bias":
        drawn.zero_()
    elif slot.rule == "sinusoid":
        drawn.copy_(sinusoids(*slot.shape))
    elif slot.cutoff is None:
        drawn.normal_(0.0, slot.std, generator=generator)
    else:
        reach = slot.cutoff * slot.std
        torch.nn.init.trunc_normal_(drawn, 0.0, slot.std, -reach, reach, generator=generator)


def _draw_default(drawn: Tensor, slot: Slot, generator: torch.Generator) -> None:
    """PyTorch's constructors: uniform within 1 / sqrt(inputs) for affine layers, standard normal for tables."""
    if slot.rule in ("table", "sinusoid"):
        drawn.normal_(0.0, 1.0, generator=generator)
    else:
        reach = slot.inputs**-0.5
        drawn.uniform_(-reach, reach, generator=generator)


def sinusoids(positions: int, width: int) -> Tensor:
    """The fixed position table of Vaswani et al. 2017, section 3.5: [positions, width] float32."""
    columns = np.arange(width)
    angles = np.arange(positions)[:, None] / np.power(10000.0, 2 * (columns // 2) / width)
    table = np.where(columns % 2 == 0, np.sin(angles), np.cos(angles))
    return torch.from_numpy(table.astype(np.float32))

"""Hidden states layer by layer under several sets of edits, each state computed once for all sets that share it.

Sets of edits that agree up to some layer have the same hidden states up to there. They are a tree, which is walked in
depth: at any time one state a layer is held, not one a set.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from services.models.layers.blocks import Layout
from services.models.layers.interventions import Interventions
from services.models.weights import Encoder


@dataclass(frozen=True, eq=False)
class State:
    """Hidden states of one layer.

    Attributes:
        layer: 0 is the embedding output, 1..L the blocks.
        members: Places of the sets of edits under which they are these.
        hidden: [T, d] float32, after the edits of the layer.
    """

    layer: int
    members: tuple[int, ...]
    hidden: Tensor


def walk(
    encoder: Encoder, layout: Layout, settings: Sequence[Interventions], highest: int, dtype: torch.dtype
) -> Iterator[State]:
    """All hidden states up to a layer; those of one set of edits come in the order of the layers.

    Args:
        encoder: The weights.
        layout: Layout of the texts.
        settings: Sets of edits.
        highest: The last layer wanted.
        dtype: Arithmetic of the linear layers and of attention.
    """
    start = encoder.embeddings(layout)
    waiting = [(0, members, start) for members in _alike(settings, range(len(settings)), 0)]
    while waiting:
        layer, members, unedited_TD = waiting.pop()
        hidden_TD = settings[members[0]].apply(layer, unedited_TD, layout)
        yield State(layer, members, hidden_TD)
        if layer == highest:
            continue
        layer += 1
        following_TD = encoder.blocks[layer - 1](hidden_TD, layout, dtype)
        if layer == len(encoder.blocks) and encoder.final_norm is not None:
            following_TD = encoder.final_norm(following_TD)
        waiting += [(layer, alike, following_TD) for alike in _alike(settings, members, layer)]


def _alike(settings: Sequence[Interventions], members: Sequence[int], layer: int) -> list[tuple[int, ...]]:
    """Members by what they do at a layer."""
    groups: dict[tuple[str, ...], list[int]] = {}
    for member in members:
        groups.setdefault(settings[member].key(layer), []).append(member)
    return [tuple(group) for group in groups.values()]

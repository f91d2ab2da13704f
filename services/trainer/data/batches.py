"""Pieces to batches: packed, or for models that take rows of one length with padding."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Protocol

import numpy as np
import torch
from torch import Tensor

from services.models.general.padding import buckets
from services.models.layers.blocks import Layout
from services.models.layers.packing import PositionRule, by_language, pack
from services.trainer.data.pieces import Ints, Piece


@dataclass(frozen=True, eq=False)
class Batch:
    """Some pieces one after the other, without padding: a model that pads them gives its rows in this order too.

    Attributes:
        pieces: n pieces, in the order of the pack.
        layout: Layout of the pieces within the rows.
        firsts: [n] int64, first row of each piece.
        counts: [n] int64, rows that the head reads of each.
        rows: [m] int64, all rows that the head reads, piece by piece.
    """

    pieces: tuple[Piece, ...]
    layout: Layout
    firsts: Tensor
    counts: Ints
    rows: Tensor

    def targets(self, name: str) -> Tensor:
        """All targets of a name, piece by piece."""
        return torch.from_numpy(np.concatenate([piece.targets[name] for piece in self.pieces])).to(self.rows.device)

    def padded(self) -> tuple[Tensor, Tensor]:
        """Places in `rows` as a table, and where it holds one: [n, longest] int64 and bool."""
        longest = int(self.counts.max(initial=0))
        columns = np.arange(longest)
        begins = np.cumsum(self.counts) - self.counts
        there = columns < self.counts[:, None]
        places = np.where(there, begins[:, None] + columns, 0)
        device = self.rows.device
        return torch.from_numpy(places).to(device), torch.from_numpy(there).to(device)


def of_one_language(pieces: Sequence[Piece]) -> list[list[Piece]]:
    """Pieces in batches of one language each, as models take them that have parts of each; one batch for all others."""
    return [[pieces[place] for place in members] for members in by_language([each.text.language for each in pieces])]


def collate(pieces: Sequence[Piece], positions: PositionRule, device: str) -> Batch:
    """Pack pieces, longest first; those of equal length keep their order.

    Args:
        pieces: At least one piece.
        positions: The model's rule for position ids.
        device: Device of the model.
    """
    order = np.argsort([-len(piece.text) for piece in pieces], kind="stable")
    chosen = tuple(pieces[place] for place in order)
    packed = pack([piece.text for piece in chosen], np.arange(len(chosen)), positions)
    layout = Layout.of(packed, device)
    if any(piece.segments is not None for piece in chosen):
        segments = np.zeros(len(packed.ids), dtype=np.int64)
        for piece, start in zip(chosen, packed.starts, strict=True):
            if piece.segments is not None:
                segments[start : start + len(piece.text)] = piece.segments
        layout = replace(layout, segments=torch.from_numpy(segments).to(device))
    counts = np.fromiter((len(piece.rows) for piece in chosen), dtype=np.int64, count=len(chosen))
    rows = np.concatenate([piece.rows for piece in chosen]) + np.repeat(packed.starts, counts)
    return Batch(
        pieces=chosen,
        layout=layout,
        firsts=torch.from_numpy(packed.starts).to(device),
        counts=counts,
        rows=torch.from_numpy(rows).to(device),
    )


class Batching(Protocol):
    """How pieces become the batches of a model."""

    def portions(self, pieces: Sequence[Piece], tokens: int) -> list[list[Piece]]:
        """Pieces in the portions that may be a batch each.

        Args:
            pieces: At least one piece; tokens of them all are within the budget, but for a longer one alone.
            tokens: Tokens that a batch does not exceed, padding included; a longer piece is a portion of its own.
        """

    def collate(self, pieces: Sequence[Piece], device: str) -> Batch:
        """One portion as a batch.

        Args:
            pieces: At least one piece.
            device: Device of the model.
        """


@dataclass(frozen=True)
class Packing:
    """Pieces of any lengths one after the other, those of each language apart where the model has parts of each.

    Attributes:
        positions: The model's rule for position ids.
    """

    positions: PositionRule

    def portions(self, pieces: Sequence[Piece], tokens: int) -> list[list[Piece]]:
        """Pieces by language; they have no padding."""
        return of_one_language(pieces)

    def collate(self, pieces: Sequence[Piece], device: str) -> Batch:
        """The pieces, longest first."""
        return collate(pieces, self.positions, device)


@dataclass(frozen=True)
class Padding:
    """Pieces of similar length, which a module of transformers pads to the longest.

    Attributes:
        mixed: Whether pieces of different lengths may share a batch.
    """

    mixed: bool

    def portions(self, pieces: Sequence[Piece], tokens: int) -> list[list[Piece]]:
        """Pieces by length."""
        lengths = [len(piece.text) for piece in pieces]
        return [[pieces[place] for place in members] for members in buckets(lengths, tokens, 1, padded=self.mixed)]

    def collate(self, pieces: Sequence[Piece], device: str) -> Batch:
        """The pieces, longest first; the modules number their tokens themselves."""
        return collate(pieces, np.zeros_like, device)

"""The two common kinds of Transformer block on packed rows, and the layout that they share.

The residual stream is float32 always; `dtype` is the arithmetic of the linear layers and of attention.
"""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Protocol

import torch
from torch import Tensor
from torch.nn import functional

from services.models.layers.attention import attend
from services.models.layers.dropout import NO_DROPOUT, Dropout, drop
from services.models.layers.linear import Activation, Linear
from services.models.layers.packing import LengthGroup, Pack


@dataclass(frozen=True, eq=False)
class Layout:
    """Where the texts lie in T packed rows, with the index tensors on the model's device.

    Attributes:
        groups: Texts of equal length.
        ids: [T] int64, token ids.
        positions: [T] int64.
        content: [C] int64, rows that are not special tokens.
        starts: [n] int64, first row of each text.
        segments: [T] int64, rows of the segment table; None where all are row 0.
        language: What the model takes for the language of the texts; None where they have none, or several.
    """

    groups: tuple[LengthGroup, ...]
    ids: Tensor
    positions: Tensor
    content: Tensor
    starts: Tensor
    segments: Tensor | None = None
    language: int | None = None
    _tables: dict[object, tuple[Tensor, Tensor]] = field(default_factory=dict, repr=False)

    @classmethod
    def of(cls, pack: Pack, device: str) -> "Layout":
        """The layout of a pack."""

        def place(name: str) -> Tensor:
            return torch.from_numpy(getattr(pack, name)).to(device)

        return cls(
            groups=pack.groups,
            ids=place("ids"),
            positions=place("positions"),
            content=place("content"),
            starts=place("starts"),
            language=pack.language,
        )

    def table(self, owner: object, make: Callable[[Tensor], tuple[Tensor, Tensor]]) -> tuple[Tensor, Tensor]:
        """What `make` computes from the positions, once for each owner."""
        if owner not in self._tables:
            self._tables[owner] = make(self.positions)
        return self._tables[owner]


@dataclass(frozen=True, eq=False)
class Norm:
    """Layer normalisation.

    Attributes:
        weight: [d] float32.
        bias: [d] float32, or None.
        eps: Added to the variance.
    """

    weight: Tensor
    bias: Tensor | None
    eps: float

    def __call__(self, hidden_TD: Tensor) -> Tensor:
        """Normalise each row of [T, d]."""
        return functional.layer_norm(hidden_TD, self.weight.shape, self.weight, self.bias, self.eps)


@dataclass(frozen=True, eq=False)
class RmsNorm:
    """Root mean square normalisation (Zhang and Sennrich 2019).

    Attributes:
        weight: [d] float32.
        eps: Added to the mean square.
    """

    weight: Tensor
    eps: float

    def __call__(self, hidden_TD: Tensor) -> Tensor:
        """Normalise each row of [T, d]."""
        return functional.rms_norm(hidden_TD, self.weight.shape, self.weight, self.eps)


AnyNorm = Norm | RmsNorm
"""What a family may normalise by."""


class Block(Protocol):
    """One block: hidden state l - 1 to hidden state l."""

    def linears(self) -> tuple[Linear, ...]:
        """Its affine layers."""

    def with_dropout(self, dropout: Dropout) -> "Block":
        """The same weights with dropout, for training."""

    def __call__(self, hidden_TD: Tensor, layout: Layout, dtype: torch.dtype) -> Tensor:
        """Apply to [T, d] float32 rows; the argument is left as it was."""


@dataclass(frozen=True, eq=False)
class PostNormBlock:
    """The block of BERT (Vaswani et al. 2017): attention, add and normalise, feed-forward, add and normalise.

    Attributes:
        qkv: Queries, keys and values in one, [3 d, d].
        out: [d, d].
        attention_norm: After the first addition.
        up: [f, d].
        down: [d, f].
        output_norm: After the second.
        heads: Attention heads.
        activation: Between `up` and `down`.
        dropout: None in serving.
    """

    qkv: Linear
    out: Linear
    attention_norm: Norm
    up: Linear
    down: Linear
    output_norm: Norm
    heads: int
    activation: Activation
    dropout: Dropout = NO_DROPOUT

    def linears(self) -> tuple[Linear, ...]:
        """Its affine layers."""
        return (self.qkv, self.out, self.up, self.down)

    def with_dropout(self, dropout: Dropout) -> "PostNormBlock":
        """The same weights with dropout, for training."""
        return replace(self, dropout=dropout)

    def __call__(self, hidden_TD: Tensor, layout: Layout, dtype: torch.dtype) -> Tensor:
        """Apply to [T, d] float32 rows; the argument is left as it was."""
        qkv_TE = self.qkv(hidden_TD.to(dtype))
        rate = self.dropout.attention or 0.0
        context_TD = attend(qkv_TE, layout.groups, self.heads, dropout=rate, starts=layout.starts)
        update_TD = drop(self.out(context_TD), self.dropout.attended)
        attended_TD = self.attention_norm(_residual(update_TD, hidden_TD))
        wide_TF = drop(self.up(attended_TD.to(dtype), self.activation), self.dropout.inner)
        return self.output_norm(_residual(drop(self.down(wide_TF), self.dropout.outer), attended_TD))


@dataclass(frozen=True)
class Rotary:
    """Rotary position embedding (Su et al. 2021, equation 34). Equal ones share their tables within a layout.

    Attributes:
        base: theta.
        size: Numbers a head, even.
    """

    base: float
    size: int

    def tables(self, positions: Tensor) -> tuple[Tensor, Tensor]:
        """Cosines and sines, [T, 1, size] float32 each, of positions [T]."""
        steps = torch.arange(0, self.size, 2, dtype=torch.float32, device=positions.device) / self.size
        angles = positions[:, None].float() * (1.0 / self.base**steps)
        both = torch.cat((angles, angles), dim=-1)[:, None, :]
        return both.cos(), both.sin()

    def turn(self, qkv_TE: Tensor, layout: Layout, heads: int) -> Tensor:
        """Turn queries and keys, computed in float32; values stay. In place where no gradient is wanted.

        Args:
            qkv_TE: Queries, keys and values side by side, each head after head.
            layout: Layout of the texts.
            heads: Heads of queries and keys together.
        """
        cos, sin = layout.table(self, self.tables)
        by_head = qkv_TE.view(qkv_TE.shape[0], -1, self.size)
        both = by_head[:, :heads]
        exact = both.float()
        first, second = exact.chunk(2, dim=-1)
        turned = exact * cos + torch.cat((-second, first), dim=-1) * sin
        if qkv_TE.requires_grad:
            return torch.cat((turned.to(qkv_TE.dtype), by_head[:, heads:]), dim=1).view(qkv_TE.shape)
        both.copy_(turned)
        return qkv_TE


@dataclass(frozen=True, eq=False)
class PreNormBlock:
    """The block of ModernBERT (Warner et al. 2024) and others: normalise first, then attend; normalise, feed forward.

    Attributes:
        attention_norm: Before attention; None where there is none, as in ModernBERT's first block.
        qkv: Queries, keys and values in one, [(heads + 2 kv_heads) size, d].
        rotary: Positions; None where they enter with the embeddings.
        out: [d, heads size].
        mlp_norm: Before the feed-forward layer.
        up: [f, d], goes through the activation.
        gate: [f, d], multiplies it; None for nothing.
        down: [d, f].
        heads: Attention heads.
        activation: Activation of `up`.
        window: How far attention reaches to each side; None for everywhere.
        kv_heads: Heads of keys and values; None for as many as there are queries.
        dropout: None in serving.
    """

    attention_norm: AnyNorm | None
    qkv: Linear
    rotary: Rotary | None
    out: Linear
    mlp_norm: AnyNorm
    up: Linear
    gate: Linear | None
    down: Linear
    heads: int
    activation: Activation
    window: int | None
    kv_heads: int | None = None
    dropout: Dropout = NO_DROPOUT

    def with_dropout(self, dropout: Dropout) -> "PreNormBlock":
        """The same weights with dropout, for training."""
        return replace(self, dropout=dropout)

    def linears(self) -> tuple[Linear, ...]:
        """Its affine layers."""
        return (self.qkv, self.out, self.up, *([] if self.gate is None else [self.gate]), self.down)

    def __call__(self, hidden_TD: Tensor, layout: Layout, dtype: torch.dtype) -> Tensor:
        """Apply to [T, d] float32 rows; the argument is left as it was."""
        entering_TD = hidden_TD if self.attention_norm is None else self.attention_norm(hidden_TD)
        qkv_TE = self.qkv(entering_TD.to(dtype))
        if self.rotary is not None:
            qkv_TE = self.rotary.turn(qkv_TE, layout, self.heads + (self.kv_heads or self.heads))
        rate = self.dropout.attention or 0.0
        context_TD = attend(
            qkv_TE, layout.groups, self.heads, self.window, rate, kv_heads=self.kv_heads, starts=layout.starts
        )
        attended_TD = _residual(drop(self.out(context_TD), self.dropout.attended), hidden_TD)
        narrow_TD = self.mlp_norm(attended_TD).to(dtype)
        wide_TF = self.up(narrow_TD, self.activation)
        if self.gate is not None:
            gate_TF = self.gate(narrow_TD)
            # The gradient needs both factors as they were.
            wide_TF = wide_TF * gate_TF if wide_TF.requires_grad else wide_TF.mul_(gate_TF)
        return _residual(drop(self.down(drop(wide_TF, self.dropout.inner)), self.dropout.outer), attended_TD)


def _residual(update_TD: Tensor, hidden_TD: Tensor) -> Tensor:
    """The sum in float32; in place where the update is float32 (it is always a fresh tensor)."""
    return update_TD.add_(hidden_TD) if update_TD.dtype == torch.float32 else hidden_TD + update_TD

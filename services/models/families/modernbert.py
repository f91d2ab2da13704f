"""ModernBERT (Warner et al. 2024)."""

import math
from typing import Any

from torch import Tensor

from services.models.families.base import ACTIVATIONS, Dimensions, activation_refusal, count_positions, initial_std
from services.models.layers.blocks import Block, Norm, PreNormBlock, Rotary
from services.models.layers.dropout import Dropout
from services.models.layers.linear import Linear
from services.models.layers.packing import PositionRule
from services.models.weights import Embeddings, Slot, Source, read_affine, read_norm

DEFAULT_CUTOFF = 3.0
"""transformers' cut-off of the initial draw where the configuration gives none."""


class ModernBertFamily:
    """Norms before the layers, rotary positions, gated feed-forward, attention in a window in most blocks."""

    prefixes: tuple[str, ...] = ("model.",)
    word_table = "embeddings.tok_embeddings.weight"
    owned: tuple[str, ...] = ("embeddings.", "final_norm.")
    block_prefix = "layers."
    head_tensor = "decoder.bias"

    def refusal(self, config: Any) -> str:
        """Why a model of this family cannot be served; empty where it can."""
        for kind, rope in config.rope_parameters.items():
            if rope["rope_type"] != "default":
                return f"its {kind} rotates by rule {rope['rope_type']!r}; only 'default' is offered"
        return activation_refusal(config.hidden_activation)

    def dimensions(self, config: Any) -> Dimensions:
        """Its sizes."""
        return Dimensions(
            layers=config.num_hidden_layers,
            hidden_size=config.hidden_size,
            heads=config.num_attention_heads,
            vocabulary_size=config.vocab_size,
            max_tokens=config.max_position_embeddings,
        )

    def position_rule(self, config: Any) -> PositionRule:
        """Positions 0..T-1."""
        return count_positions

    def embeddings(self, source: Source, config: Any) -> Embeddings:
        """The word table and its norm; positions enter in attention."""
        shape = (config.vocab_size, config.hidden_size)
        word = source.tensor(
            Slot(
                self.word_table,
                shape,
                "table",
                std=initial_std(config),
                cutoff=_cutoff(config),
            )
        )
        norm = read_norm(source, "embeddings.norm", config.hidden_size, config.norm_eps, bias=config.norm_bias)
        return Embeddings(word, None, None, norm, None)

    def block(self, source: Source, config: Any, layer: int) -> Block:
        """The block whose output is hidden state `layer`."""
        at = f"{self.block_prefix}{layer - 1}."
        d, f, eps = config.hidden_size, config.intermediate_size, config.norm_eps
        kind = config.layer_types[layer - 1]
        enters, leaves = initial_std(config), initial_std(config) / math.sqrt(2.0 * config.num_hidden_layers)

        def affine(name: str, shape: tuple[int, int], std: float, bias: bool) -> tuple[Tensor, Tensor | None]:
            return read_affine(source, at + name, shape, std, bias=bias, cutoff=_cutoff(config))

        def norm(name: str) -> Norm:
            return read_norm(source, at + name, d, eps, bias=config.norm_bias)

        wide, wide_bias = affine("mlp.Wi", (2 * f, d), enters, config.mlp_bias)
        up_bias, gate_bias = (None, None) if wide_bias is None else wide_bias.chunk(2)
        return PreNormBlock(
            attention_norm=None if layer == 1 else norm("attn_norm"),
            qkv=Linear(*affine("attn.Wqkv", (3 * d, d), enters, config.attention_bias)),
            rotary=Rotary(float(config.rope_parameters[kind]["rope_theta"]), d // config.num_attention_heads),
            out=Linear(*affine("attn.Wo", (d, d), leaves, config.attention_bias)),
            mlp_norm=norm("mlp_norm"),
            up=Linear(wide[:f], up_bias),
            gate=Linear(wide[f:], gate_bias),
            down=Linear(*affine("mlp.Wo", (d, f), leaves, config.mlp_bias)),
            heads=config.num_attention_heads,
            activation=ACTIVATIONS[config.hidden_activation],
            window=config.sliding_window if kind == "sliding_attention" else None,
        )

    def final_norm(self, source: Source, config: Any) -> Norm | None:
        """Transformers puts the normalised state in place of the last block's output."""
        return read_norm(source, "final_norm", config.hidden_size, config.norm_eps, bias=config.norm_bias)

    def dropout(self, config: Any) -> Dropout:
        """Of attention weights and output by one rate, of the gated numbers by another."""
        attention = config.attention_dropout
        return Dropout(config.embedding_dropout, attention, attention, config.mlp_dropout, None)


def _cutoff(config: Any) -> float:
    """Where the initial draw is cut, in standard deviations."""
    given = config.initializer_cutoff_factor
    return DEFAULT_CUTOFF if given is None else float(given)

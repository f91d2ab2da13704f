"""ModernBERT (Warner et al. 2024)."""

import math
from collections.abc import Mapping
from typing import Any

from torch import Tensor

from services.models.families import fields
from services.models.families.base import ACTIVATIONS, Dimensions, activation_refusal, count_positions, initial_std
from services.models.families.heads import HeadLayout
from services.models.layers.blocks import AnyNorm, Block, Norm, PreNormBlock, Rotary
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
    general = False
    checks: Mapping[str, fields.Check] = {
        "vocab_size": fields.whole(1),
        "hidden_size": fields.whole(1),
        "num_hidden_layers": fields.whole(1, fields.MOST_LAYERS),
        "num_attention_heads": fields.whole(1),
        "intermediate_size": fields.whole(1),
        "max_position_embeddings": fields.whole(1),
        "local_attention": fields.whole(2),
        "norm_eps": fields.number(0.0, 1.0),
        "norm_bias": fields.truth,
        "attention_bias": fields.truth,
        "mlp_bias": fields.truth,
        "initializer_range": fields.deviation,
        "initializer_cutoff_factor": fields.number(0.0, 1e6, optional=True),
    }

    def refusal(self, config: Any) -> str:
        """Why a model of this family cannot be served; empty where it can."""
        return (
            fields.refusal(config, self.checks)
            or fields.heads_refusal(
                "hidden_size", config.hidden_size, "num_attention_heads", config.num_attention_heads
            )
            or _rotary_refusal(config)
            or fields.padding_refusal(config.pad_token_id, config.vocab_size)
            or activation_refusal("hidden_activation", config.hidden_activation)
        )

    def languages(self, config: Any) -> tuple[str, ...]:
        """None: all languages share all of it."""
        return ()

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

    def lowest(self, config: Any, layer: int) -> int:
        """The layer itself: none are shared."""
        return layer

    def final_norm(self, source: Source, config: Any) -> AnyNorm | None:
        """Transformers puts the normalised state in place of the last block's output."""
        return read_norm(source, "final_norm", config.hidden_size, config.norm_eps, bias=config.norm_bias)

    def head(self, config: Any) -> HeadLayout:
        """Where its masked-language-model head is, in a checkpoint that has one."""
        return HeadLayout(
            dense="head.dense",
            norm="head.norm",
            output="decoder",
            biases=("decoder.bias",) if config.decoder_bias else (),
            width=config.hidden_size,
            activation=config.classifier_activation,
            eps=config.norm_eps,
            dense_bias=config.classifier_bias,
            norm_bias=config.norm_bias,
        )

    def dropout(self, config: Any) -> Dropout:
        """Of attention weights and output by one rate, of the gated numbers by another."""
        attention = config.attention_dropout
        return Dropout(config.embedding_dropout, attention, attention, config.mlp_dropout, None)


def _rotary_refusal(config: Any) -> str:
    """Why the kinds of the layers or their rotations are wrong; empty where they are right."""
    size = config.hidden_size // config.num_attention_heads
    if size % 2:
        return (
            f"Expected `hidden_size` / `num_attention_heads` in config.json to be even, to be rotated, but got {size}"
        )
    kinds = config.layer_types
    if (
        not isinstance(kinds, list | tuple)
        or len(kinds) != config.num_hidden_layers
        or any(kind not in ("full_attention", "sliding_attention") for kind in kinds)
    ):
        return (
            f"Expected `layer_types` in config.json to be {config.num_hidden_layers} of 'full_attention' and "
            f"'sliding_attention', but got {kinds!r}"
        )
    for kind in dict.fromkeys(kinds):
        rope = config.rope_parameters.get(kind) if isinstance(config.rope_parameters, Mapping) else None
        if not isinstance(rope, Mapping):
            return f"Expected `rope_parameters` in config.json to have an object {kind!r}, but got {rope!r}"
        if rope.get("rope_type") != "default":
            return f"its {kind} rotates by rule {rope.get('rope_type')!r} (`rope_type`); only 'default' is offered"
        if expected := fields.number(0.0, 1e12)(rope.get("rope_theta")):
            return (
                f"Expected `rope_theta` of {kind} in config.json to be {expected}, but got {rope.get('rope_theta')!r}"
            )
    return ""


def _cutoff(config: Any) -> float:
    """Where the initial draw is cut, in standard deviations."""
    given = config.initializer_cutoff_factor
    return DEFAULT_CUTOFF if given is None else float(given)

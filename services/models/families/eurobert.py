"""EuroBERT (Boizard et al. 2025)."""

from collections.abc import Mapping
from typing import Any

from torch import Tensor

from services.models.families import fields
from services.models.families.base import ACTIVATIONS, Dimensions, activation_refusal, count_positions, initial_std
from services.models.families.heads import HeadLayout
from services.models.layers.blocks import AnyNorm, Block, PreNormBlock, RmsNorm, Rotary
from services.models.layers.dropout import Dropout
from services.models.layers.linear import Linear
from services.models.layers.packing import PositionRule
from services.models.weights import Embeddings, Slot, Source, read_affine, read_rms_norm, stacked


class EuroBertFamily:
    """Root mean square norms before the layers, rotary positions, gated feed-forward, grouped-query attention."""

    prefixes: tuple[str, ...] = ("model.",)
    word_table = "embed_tokens.weight"
    owned: tuple[str, ...] = ("embed_tokens.", "norm.")
    block_prefix = "layers."
    general = True
    checks: Mapping[str, fields.Check] = {
        "vocab_size": fields.whole(1),
        "hidden_size": fields.whole(1),
        "num_hidden_layers": fields.whole(1, fields.MOST_LAYERS),
        "num_attention_heads": fields.whole(1),
        "num_key_value_heads": fields.whole(1),
        "head_dim": fields.whole(2),
        "intermediate_size": fields.whole(1),
        "max_position_embeddings": fields.whole(1),
        "rms_norm_eps": fields.number(0.0, 1.0),
        "attention_bias": fields.truth,
        "mlp_bias": fields.truth,
        "initializer_range": fields.deviation,
    }

    def refusal(self, config: Any) -> str:
        """Why a model of this family cannot be served packed; empty where it can."""
        return (
            fields.refusal(config, self.checks)
            or fields.heads_refusal(
                "num_attention_heads", config.num_attention_heads, "num_key_value_heads", config.num_key_value_heads
            )
            or _rotary_refusal(config)
            or fields.padding_refusal(config.pad_token_id, config.vocab_size)
            or activation_refusal("hidden_act", config.hidden_act)
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
        """The word table; positions enter in attention, and the first block normalises."""
        shape, std = (config.vocab_size, config.hidden_size), initial_std(config)
        word = source.tensor(Slot(self.word_table, shape, "table", std=std, padding=config.pad_token_id))
        return Embeddings(word, None, None, None, None)

    def block(self, source: Source, config: Any, layer: int) -> Block:
        """The block whose output is hidden state `layer`."""
        at = f"{self.block_prefix}{layer - 1}."
        d, f, std = config.hidden_size, config.intermediate_size, initial_std(config)
        heads, pairs, size = config.num_attention_heads, config.num_key_value_heads, config.head_dim

        def attention(name: str, shape: tuple[int, int]) -> tuple[Tensor, Tensor | None]:
            return read_affine(source, f"{at}self_attn.{name}_proj", shape, std, bias=config.attention_bias)

        def mlp(name: str, shape: tuple[int, int]) -> Linear:
            return Linear(*read_affine(source, f"{at}mlp.{name}_proj", shape, std, bias=config.mlp_bias))

        def norm(name: str) -> RmsNorm:
            return read_rms_norm(source, at + name, d, config.rms_norm_eps)

        return PreNormBlock(
            qkv=stacked([attention(name, (n * size, d)) for name, n in (("q", heads), ("k", pairs), ("v", pairs))]),
            out=Linear(*attention("o", (d, heads * size))),
            # What transformers calls `gate_proj` goes through the activation, and `up_proj` multiplies it.
            up=mlp("gate", (f, d)),
            gate=mlp("up", (f, d)),
            down=mlp("down", (d, f)),
            attention_norm=norm("input_layernorm"),
            mlp_norm=norm("post_attention_layernorm"),
            rotary=Rotary(float(config.rope_parameters["rope_theta"]), size),
            heads=heads,
            activation=ACTIVATIONS[config.hidden_act],
            window=None,
            kv_heads=pairs,
        )

    def lowest(self, config: Any, layer: int) -> int:
        """The layer itself: none are shared."""
        return layer

    def final_norm(self, source: Source, config: Any) -> AnyNorm | None:
        """Transformers puts the normalised state in place of the last block's output."""
        return read_rms_norm(source, "norm", config.hidden_size, config.rms_norm_eps)

    def head(self, config: Any) -> HeadLayout:
        """The output layer alone, whose weight is left out of the checkpoint where it is the word table."""
        named = config.architectures if isinstance(config.architectures, list) else []
        masked = any(str(each).endswith("ForMaskedLM") for each in named)
        return HeadLayout(
            dense="",
            norm="",
            output="lm_head",
            biases=("lm_head.bias",) if config.mlp_bias else (),
            width=config.hidden_size,
            activation="",
            eps=0.0,
            implied=masked and bool(config.tie_word_embeddings),
        )

    def dropout(self, config: Any) -> Dropout:
        """Of attention weights."""
        return Dropout(None, config.attention_dropout, None, None, None)


def _rotary_refusal(config: Any) -> str:
    """Why its rotation is not offered; empty where it is."""
    if config.head_dim % 2:
        return f"Expected `head_dim` in config.json to be even, to be rotated, but got {config.head_dim}"
    rope = config.rope_parameters
    if not isinstance(rope, Mapping) or rope.get("rope_type") != "default":
        got = rope.get("rope_type") if isinstance(rope, Mapping) else rope
        return f"it rotates by rule {got!r} (`rope_type`); only 'default' is offered"
    if expected := fields.number(0.0, 1e12)(rope.get("rope_theta")):
        return f"Expected `rope_theta` in config.json to be {expected}, but got {rope.get('rope_theta')!r}"
    return ""

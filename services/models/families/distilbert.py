"""DistilBERT (Sanh et al. 2019)."""

from collections.abc import Mapping
from typing import Any

from services.models.families import fields
from services.models.families.base import ACTIVATIONS, Dimensions, activation_refusal, count_positions, initial_std
from services.models.families.heads import HeadLayout
from services.models.layers.blocks import AnyNorm, Block, PostNormBlock
from services.models.layers.dropout import Dropout
from services.models.layers.packing import PositionRule
from services.models.weights import Embeddings, Slot, Source, read_linear, read_norm

NORM_EPS = 1e-12
"""Written into transformers' model, not into its configuration."""


class DistilBertFamily:
    """BERT's blocks under other names, without segments."""

    prefixes: tuple[str, ...] = ("distilbert.",)
    word_table = "embeddings.word_embeddings.weight"
    owned: tuple[str, ...] = ("embeddings.",)
    block_prefix = "transformer.layer."
    general = False
    checks: Mapping[str, fields.Check] = {
        "vocab_size": fields.whole(1),
        "dim": fields.whole(1),
        "n_layers": fields.whole(1, fields.MOST_LAYERS),
        "n_heads": fields.whole(1),
        "hidden_dim": fields.whole(1),
        "max_position_embeddings": fields.whole(1),
        "sinusoidal_pos_embds": fields.truth,
        "initializer_range": fields.deviation,
    }

    def refusal(self, config: Any) -> str:
        """Why a model of this family cannot be served; empty where it can."""
        return (
            fields.refusal(config, self.checks)
            or fields.heads_refusal("dim", config.dim, "n_heads", config.n_heads)
            or fields.padding_refusal(config.pad_token_id, config.vocab_size)
            or activation_refusal("activation", config.activation)
        )

    def languages(self, config: Any) -> tuple[str, ...]:
        """None: all languages share all of it."""
        return ()

    def dimensions(self, config: Any) -> Dimensions:
        """Its sizes."""
        return Dimensions(
            layers=config.n_layers,
            hidden_size=config.dim,
            heads=config.n_heads,
            vocabulary_size=config.vocab_size,
            max_tokens=config.max_position_embeddings,
        )

    def position_rule(self, config: Any) -> PositionRule:
        """Positions 0..T-1."""
        return count_positions

    def embeddings(self, source: Source, config: Any) -> Embeddings:
        """Word and position tables, and their norm."""
        std = initial_std(config)
        word = source.tensor(
            Slot(self.word_table, (config.vocab_size, config.dim), "table", std=std, padding=config.pad_token_id)
        )
        position = source.tensor(
            Slot(
                "embeddings.position_embeddings.weight",
                (config.max_position_embeddings, config.dim),
                "sinusoid" if config.sinusoidal_pos_embds else "table",
                std=std,
            )
        )
        norm = read_norm(source, "embeddings.LayerNorm", config.dim, NORM_EPS)
        return Embeddings(word, position, None, norm, None)

    def block(self, source: Source, config: Any, layer: int) -> Block:
        """The block whose output is hidden state `layer`."""
        at = f"{self.block_prefix}{layer - 1}."
        d, f, std = config.dim, config.hidden_dim, initial_std(config)
        return PostNormBlock(
            qkv=read_linear(source, [f"{at}attention.{name}_lin" for name in ("q", "k", "v")], (d, d), std),
            out=read_linear(source, [f"{at}attention.out_lin"], (d, d), std),
            attention_norm=read_norm(source, f"{at}sa_layer_norm", d, NORM_EPS),
            up=read_linear(source, [f"{at}ffn.lin1"], (f, d), std),
            down=read_linear(source, [f"{at}ffn.lin2"], (d, f), std),
            output_norm=read_norm(source, f"{at}output_layer_norm", d, NORM_EPS),
            heads=config.n_heads,
            activation=ACTIVATIONS[config.activation],
        )

    def lowest(self, config: Any, layer: int) -> int:
        """The layer itself: none are shared."""
        return layer

    def final_norm(self, source: Source, config: Any) -> AnyNorm | None:
        """None: the last block's output is the last hidden state."""
        return None

    def head(self, config: Any) -> HeadLayout:
        """Where its masked-language-model head is, in a checkpoint that has one."""
        return HeadLayout(
            dense="vocab_transform",
            norm="vocab_layer_norm",
            output="vocab_projector",
            biases=("vocab_projector.bias",),
            width=config.dim,
            activation=config.activation,
            eps=NORM_EPS,
        )

    def dropout(self, config: Any) -> Dropout:
        """As BERT's, without that of the output of attention."""
        return Dropout(config.dropout, config.attention_dropout, None, None, config.dropout)

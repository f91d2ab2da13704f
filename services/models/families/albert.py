"""ALBERT (Lan et al. 2020)."""

from collections.abc import Mapping
from typing import Any

from services.models.families import fields
from services.models.families.base import ACTIVATIONS, Dimensions, initial_std
from services.models.families.bert import BertFamily
from services.models.families.heads import HeadLayout
from services.models.layers.blocks import Block, PostNormBlock
from services.models.layers.dropout import Dropout
from services.models.weights import Source, read_linear, read_norm


class AlbertFamily(BertFamily):
    """BERT's blocks, shared by groups of layers; embeddings are narrower than the blocks and are projected.

    A group may be several blocks (`inner_group_num`), each of which gives a hidden state, as in transformers.
    """

    prefixes: tuple[str, ...] = ("albert.",)
    owned: tuple[str, ...] = ("embeddings.", "encoder.embedding_hidden_mapping_in.")
    block_prefix = "encoder.albert_layer_groups."
    project_name = "encoder.embedding_hidden_mapping_in"
    general = True
    checks: Mapping[str, fields.Check] = {
        **BertFamily.checks,
        "embedding_size": fields.whole(1),
        "num_hidden_groups": fields.whole(1, fields.MOST_LAYERS),
        "inner_group_num": fields.whole(1, fields.MOST_LAYERS),
    }

    def dimensions(self, config: Any) -> Dimensions:
        """Its sizes; every block of a group counts."""
        sizes = super().dimensions(config)
        layers = config.num_hidden_layers * config.inner_group_num
        return Dimensions(layers, sizes.hidden_size, sizes.heads, sizes.vocabulary_size, sizes.max_tokens)

    def embedding_width(self, config: Any) -> int:
        """Columns of the embedding tables."""
        return int(config.embedding_size)

    def projects(self, config: Any) -> bool:
        """Always, also to the same width."""
        return True

    def block(self, source: Source, config: Any, layer: int) -> Block:
        """The block whose output is hidden state `layer`."""
        group, inner = _place(config, layer)
        at = f"{self.block_prefix}{group}.albert_layers.{inner}."
        d, f = config.hidden_size, config.intermediate_size
        std, eps = initial_std(config), config.layer_norm_eps
        return PostNormBlock(
            qkv=read_linear(source, [f"{at}attention.{name}" for name in ("query", "key", "value")], (d, d), std),
            out=read_linear(source, [f"{at}attention.dense"], (d, d), std),
            attention_norm=read_norm(source, f"{at}attention.LayerNorm", d, eps),
            up=read_linear(source, [f"{at}ffn"], (f, d), std),
            down=read_linear(source, [f"{at}ffn_output"], (d, f), std),
            output_norm=read_norm(source, f"{at}full_layer_layer_norm", d, eps),
            heads=config.num_attention_heads,
            activation=ACTIVATIONS[config.hidden_act],
        )

    def lowest(self, config: Any, layer: int) -> int:
        """The first layer of the same group, at the same place in it."""
        place = _place(config, layer)
        return next(each for each in range(1, layer + 1) if _place(config, each) == place)

    def head(self, config: Any) -> HeadLayout:
        """Where its masked-language-model head is, in a checkpoint that has one."""
        return HeadLayout(
            dense="predictions.dense",
            norm="predictions.LayerNorm",
            output="predictions.decoder",
            biases=("predictions.decoder.bias", "predictions.bias"),
            width=config.embedding_size,
            activation=config.hidden_act,
            eps=config.layer_norm_eps,
        )

    def dropout(self, config: Any) -> Dropout:
        """As BERT's, without that of the output of the feed-forward part."""
        hidden = config.hidden_dropout_prob
        return Dropout(hidden, config.attention_probs_dropout_prob, hidden, None, None)


def _place(config: Any, layer: int) -> tuple[int, int]:
    """Group of a layer, and place of its block within the group."""
    step, inner = divmod(layer - 1, config.inner_group_num)
    # As transformers shares steps out: group by group, in equal runs as far as they are equal.
    return int(step / (config.num_hidden_layers / config.num_hidden_groups)), inner

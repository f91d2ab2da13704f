"""BERT (Devlin et al. 2019), and the shape that its relatives share."""

from collections.abc import Mapping
from typing import Any

from services.models.families import fields
from services.models.families.base import ACTIVATIONS, Dimensions, activation_refusal, count_positions, initial_std
from services.models.families.heads import HeadLayout
from services.models.layers.blocks import AnyNorm, Block, PostNormBlock
from services.models.layers.dropout import Dropout
from services.models.layers.packing import PositionRule
from services.models.weights import Embeddings, SeparateEmbeddings, Slot, Source, read_linear, read_norm


class BertFamily:
    """BERT."""

    prefixes: tuple[str, ...] = ("bert.",)
    word_table = "embeddings.word_embeddings.weight"
    owned: tuple[str, ...] = ("embeddings.",)
    block_prefix = "encoder.layer."
    project_name = "embeddings_project"
    general = False
    checks: Mapping[str, fields.Check] = {
        "vocab_size": fields.whole(1),
        "hidden_size": fields.whole(1),
        "num_hidden_layers": fields.whole(1, fields.MOST_LAYERS),
        "num_attention_heads": fields.whole(1),
        "intermediate_size": fields.whole(1),
        "max_position_embeddings": fields.whole(1),
        "type_vocab_size": fields.whole(1),
        "layer_norm_eps": fields.number(0.0, 1.0),
        "initializer_range": fields.deviation,
    }

    def refusal(self, config: Any) -> str:
        """Why a model of this family cannot be served; empty where it can."""
        return (
            fields.refusal(config, self.checks)
            or fields.heads_refusal(
                "hidden_size", config.hidden_size, "num_attention_heads", config.num_attention_heads
            )
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

    def embedding_width(self, config: Any) -> int:
        """Columns of the embedding tables."""
        return int(config.hidden_size)

    def embeddings(self, source: Source, config: Any) -> Embeddings | SeparateEmbeddings:
        """Word, position and segment tables, and their norm."""
        return self._shared_embeddings(source, config)

    def _shared_embeddings(self, source: Source, config: Any) -> Embeddings:
        """The embeddings of all languages."""
        width, std = self.embedding_width(config), initial_std(config)
        word = source.tensor(
            Slot(self.word_table, (config.vocab_size, width), "table", std=std, padding=config.pad_token_id)
        )
        position = source.tensor(
            Slot(
                "embeddings.position_embeddings.weight",
                (config.max_position_embeddings, width),
                "table",
                std=std,
                padding=self.position_padding(config),
            )
        )
        segment = source.tensor(
            Slot("embeddings.token_type_embeddings.weight", (config.type_vocab_size, width), "table", std=std)
        )
        norm = read_norm(source, "embeddings.LayerNorm", width, config.layer_norm_eps)
        project = None
        if self.projects(config):
            project = read_linear(source, [self.project_name], (config.hidden_size, width), std)
        return Embeddings(word, position, segment, norm, project)

    def projects(self, config: Any) -> bool:
        """Whether the embeddings are brought to another width."""
        return self.embedding_width(config) != int(config.hidden_size)

    def position_padding(self, config: Any) -> int | None:
        """Row of the position table that stands for padding, where there is one."""
        return None

    def block(self, source: Source, config: Any, layer: int) -> Block:
        """The block whose output is hidden state `layer`."""
        at = f"{self.block_prefix}{layer - 1}."
        d, f = config.hidden_size, config.intermediate_size
        std, eps = initial_std(config), config.layer_norm_eps
        return PostNormBlock(
            qkv=read_linear(source, [f"{at}attention.self.{name}" for name in ("query", "key", "value")], (d, d), std),
            out=read_linear(source, [f"{at}attention.output.dense"], (d, d), std),
            attention_norm=read_norm(source, f"{at}attention.output.LayerNorm", d, eps),
            up=read_linear(source, [f"{at}intermediate.dense"], (f, d), std),
            down=read_linear(source, [f"{at}output.dense"], (d, f), std),
            output_norm=read_norm(source, f"{at}output.LayerNorm", d, eps),
            heads=config.num_attention_heads,
            activation=ACTIVATIONS[config.hidden_act],
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
            dense="cls.predictions.transform.dense",
            norm="cls.predictions.transform.LayerNorm",
            output="cls.predictions.decoder",
            biases=("cls.predictions.decoder.bias", "cls.predictions.bias"),
            width=config.hidden_size,
            activation=config.hidden_act,
            eps=config.layer_norm_eps,
        )

    def dropout(self, config: Any) -> Dropout:
        """Of attention weights, and of everything that a norm follows or precedes."""
        hidden = config.hidden_dropout_prob
        return Dropout(hidden, config.attention_probs_dropout_prob, hidden, None, hidden)

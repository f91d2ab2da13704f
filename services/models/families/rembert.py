"""RemBERT (Chung et al. 2021)."""

from collections.abc import Mapping
from typing import Any

from services.models.families import fields
from services.models.families.bert import BertFamily
from services.models.families.heads import HeadLayout


class RemBertFamily(BertFamily):
    """BERT's blocks between input and output embeddings of widths of their own."""

    prefixes: tuple[str, ...] = ("rembert.",)
    owned: tuple[str, ...] = ("embeddings.", "encoder.embedding_hidden_mapping_in.")
    project_name = "encoder.embedding_hidden_mapping_in"
    general = True
    checks: Mapping[str, fields.Check] = {
        **BertFamily.checks,
        "input_embedding_size": fields.whole(1),
        "output_embedding_size": fields.whole(1),
    }

    def embedding_width(self, config: Any) -> int:
        """Columns of the embedding tables."""
        return int(config.input_embedding_size)

    def projects(self, config: Any) -> bool:
        """Always, also to the same width."""
        return True

    def head(self, config: Any) -> HeadLayout:
        """Where its masked-language-model head is, in a checkpoint that has one."""
        return HeadLayout(
            dense="cls.predictions.dense",
            norm="cls.predictions.LayerNorm",
            output="cls.predictions.decoder",
            biases=("cls.predictions.decoder.bias",),
            width=config.output_embedding_size,
            activation=config.hidden_act,
            eps=config.layer_norm_eps,
        )

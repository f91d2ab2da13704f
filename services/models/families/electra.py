"""ELECTRA (Clark et al. 2020)."""

from collections.abc import Mapping
from typing import Any

from services.models.families import fields
from services.models.families.bert import BertFamily
from services.models.families.heads import HeadLayout


class ElectraFamily(BertFamily):
    """BERT's blocks; embeddings may be narrower than the blocks and are then projected."""

    prefixes: tuple[str, ...] = ("electra.",)
    owned: tuple[str, ...] = ("embeddings.", "embeddings_project.")
    checks: Mapping[str, fields.Check] = {**BertFamily.checks, "embedding_size": fields.whole(1)}

    def embedding_width(self, config: Any) -> int:
        """Columns of the embedding tables."""
        return int(config.embedding_size)

    def head(self, config: Any) -> HeadLayout:
        """The generator's; a discriminator has none. Its activation is written into transformers' model."""
        return HeadLayout(
            dense="generator_predictions.dense",
            norm="generator_predictions.LayerNorm",
            output="generator_lm_head",
            biases=("generator_lm_head.bias",),
            width=config.embedding_size,
            activation="gelu",
            eps=config.layer_norm_eps,
        )

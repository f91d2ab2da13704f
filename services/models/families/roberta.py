"""RoBERTa (Liu et al. 2019), XLM-R (Conneau et al. 2020) and CamemBERT (Martin et al. 2020)."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from services.models.families.base import Dimensions
from services.models.families.bert import BertFamily
from services.models.families.heads import HeadLayout
from services.models.layers.packing import PositionRule


class RobertaFamily(BertFamily):
    """BERT's blocks; positions start after the padding token's id."""

    prefixes: tuple[str, ...] = ("roberta.", "camembert.")

    def refusal(self, config: Any) -> str:
        """Why a model of this family cannot be served; empty where it can."""
        if config.pad_token_id is None:
            return "its configuration has no `pad_token_id`, from which its positions count"
        reason = super().refusal(config)
        if not reason and config.max_position_embeddings <= config.pad_token_id + 1:
            reason = (
                "Expected `max_position_embeddings` in config.json to leave positions beyond `pad_token_id` + 1, "
                f"{config.pad_token_id + 1}, but got {config.max_position_embeddings}"
            )
        return reason

    def dimensions(self, config: Any) -> Dimensions:
        """Its sizes; positions up to the padding token's id are never used by tokens."""
        sizes = super().dimensions(config)
        limit = config.max_position_embeddings - config.pad_token_id - 1
        return Dimensions(sizes.layers, sizes.hidden_size, sizes.heads, sizes.vocabulary_size, limit)

    def position_padding(self, config: Any) -> int | None:
        """The padding token's id."""
        return int(config.pad_token_id)

    def position_rule(self, config: Any) -> PositionRule:
        """Tokens count from `pad_token_id + 1`; a padding token written out in a text keeps the padding position."""
        padding = int(config.pad_token_id)

        def positions(ids: NDArray[np.int64]) -> NDArray[np.int64]:
            real = (ids != padding).astype(np.int64)
            return np.asarray(np.cumsum(real) * real + padding, dtype=np.int64)

        return positions

    def head(self, config: Any) -> HeadLayout:
        """Where its masked-language-model head is; the activation is written into transformers' model."""
        return HeadLayout(
            dense="lm_head.dense",
            norm="lm_head.layer_norm",
            output="lm_head.decoder",
            biases=("lm_head.decoder.bias", "lm_head.bias"),
            width=config.hidden_size,
            activation="gelu",
            eps=config.layer_norm_eps,
        )

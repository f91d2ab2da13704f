"""ELECTRA (Clark et al. 2020)."""

from collections.abc import Mapping
from typing import Any

from services.models.families import fields
from services.models.families.bert import BertFamily


class ElectraFamily(BertFamily):
    """BERT's blocks; embeddings may be narrower than the blocks and are then projected."""

    prefixes: tuple[str, ...] = ("electra.",)
    owned: tuple[str, ...] = ("embeddings.", "embeddings_project.")
    checks: Mapping[str, fields.Check] = {**BertFamily.checks, "embedding_size": fields.whole(1)}
    head_tensor = "generator_predictions.dense.weight"

    def embedding_width(self, config: Any) -> int:
        """Columns of the embedding tables."""
        return int(config.embedding_size)

"""Static vectors: a table with a row for each sub-word and nothing else, a family of this project.

The one hidden state of a token, 0, is its row. `max_position_embeddings` is the longest input; nothing depends on it.
"""

from collections.abc import Mapping
from typing import Any, Final

from services.models.families import fields
from services.models.families.base import Dimensions, count_positions, initial_std
from services.models.families.heads import HeadLayout
from services.models.layers.blocks import AnyNorm, Block
from services.models.layers.dropout import NO_DROPOUT, Dropout
from services.models.layers.packing import PositionRule
from services.models.weights import Embeddings, Slot, Source

NAME: Final = "static"
"""Model type in config.json."""


class StaticFamily:
    """A word table."""

    prefixes: tuple[str, ...] = ()
    word_table = "vectors.weight"
    owned: tuple[str, ...] = ("vectors.",)
    block_prefix = "layers."
    general = False
    checks: Mapping[str, fields.Check] = {
        "vocab_size": fields.whole(1),
        "hidden_size": fields.whole(1),
        "max_position_embeddings": fields.whole(1),
        "initializer_range": fields.deviation,
    }

    def refusal(self, config: Any) -> str:
        """Why a model of this family cannot be served; empty where it can."""
        return fields.refusal(config, self.checks) or fields.padding_refusal(config.pad_token_id, config.vocab_size)

    def languages(self, config: Any) -> tuple[str, ...]:
        """None: one table has the sub-words of all languages."""
        return ()

    def dimensions(self, config: Any) -> Dimensions:
        """Its sizes."""
        return Dimensions(
            layers=0,
            hidden_size=config.hidden_size,
            heads=0,
            vocabulary_size=config.vocab_size,
            max_tokens=config.max_position_embeddings,
        )

    def position_rule(self, config: Any) -> PositionRule:
        """Positions 0..T-1, which nothing depends on."""
        return count_positions

    def embeddings(self, source: Source, config: Any) -> Embeddings:
        """The table."""
        shape = (config.vocab_size, config.hidden_size)
        slot = Slot(self.word_table, shape, "table", std=initial_std(config), padding=config.pad_token_id)
        return Embeddings(source.tensor(slot), None, None, None, None)

    def block(self, source: Source, config: Any, layer: int) -> Block:
        """Nothing.

        Raises:
            ValueError: Always: there are no blocks.
        """
        raise ValueError(f"Expected no block of static vectors, but got {layer}")

    def lowest(self, config: Any, layer: int) -> int:
        """The layer itself; there are none."""
        return layer

    def final_norm(self, source: Source, config: Any) -> AnyNorm | None:
        """None."""
        return None

    def head(self, config: Any) -> HeadLayout:
        """Where a head would be; no checkpoint of this family has one."""
        return HeadLayout("head.dense", "head.norm", "decoder", (), config.hidden_size, "gelu", 1e-12)

    def dropout(self, config: Any) -> Dropout:
        """None."""
        return NO_DROPOUT

"""XLM-R XL and XXL (Goyal et al. 2021)."""

from typing import Any

from services.models.families.base import ACTIVATIONS, initial_std
from services.models.families.roberta import RobertaFamily
from services.models.layers.blocks import AnyNorm, Block, PreNormBlock
from services.models.layers.dropout import Dropout
from services.models.weights import Embeddings, Slot, Source, read_linear, read_norm


class XlmRobertaXlFamily(RobertaFamily):
    """RoBERTa's layers and positions, with the norms before the layers and after the last one."""

    prefixes: tuple[str, ...] = ("roberta.",)
    owned: tuple[str, ...] = ("embeddings.", "encoder.LayerNorm.")
    general = True

    def _shared_embeddings(self, source: Source, config: Any) -> Embeddings:
        """Word, position and segment tables; the first block normalises them."""
        d, std, padding = config.hidden_size, initial_std(config), int(config.pad_token_id)

        def table(name: str, rows: int, padding: int | None) -> Slot:
            return Slot(f"embeddings.{name}_embeddings.weight", (rows, d), "table", std=std, padding=padding)

        word = source.tensor(table("word", config.vocab_size, padding))
        segment = source.tensor(table("token_type", config.type_vocab_size, None))
        position = source.tensor(table("position", config.max_position_embeddings, padding))
        return Embeddings(word, position, segment, None, None)

    def block(self, source: Source, config: Any, layer: int) -> Block:
        """The block whose output is hidden state `layer`."""
        at = f"{self.block_prefix}{layer - 1}."
        d, f = config.hidden_size, config.intermediate_size
        std, eps = initial_std(config), config.layer_norm_eps
        return PreNormBlock(
            qkv=read_linear(source, [f"{at}attention.self.{name}" for name in ("query", "key", "value")], (d, d), std),
            out=read_linear(source, [f"{at}attention.output.dense"], (d, d), std),
            attention_norm=read_norm(source, f"{at}attention.self_attn_layer_norm", d, eps),
            rotary=None,
            up=read_linear(source, [f"{at}intermediate.dense"], (f, d), std),
            gate=None,
            down=read_linear(source, [f"{at}output.dense"], (d, f), std),
            mlp_norm=read_norm(source, f"{at}LayerNorm", d, eps),
            heads=config.num_attention_heads,
            activation=ACTIVATIONS[config.hidden_act],
            window=None,
        )

    def final_norm(self, source: Source, config: Any) -> AnyNorm | None:
        """Transformers puts the normalised state in place of the last block's output."""
        return read_norm(source, "encoder.LayerNorm", config.hidden_size, config.layer_norm_eps)

    def dropout(self, config: Any) -> Dropout:
        """Of attention weights and output."""
        hidden = config.hidden_dropout_prob
        return Dropout(hidden, config.attention_probs_dropout_prob, hidden, None, None)

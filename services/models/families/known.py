"""Which model types are encoders of text, by config.json alone."""

from collections.abc import Iterable, Mapping
from functools import lru_cache
from typing import Any, Final

from services.models.families import FAMILIES, common_refusal
from services.runtime.work import importing

_OTHERS: Final = ("bert-generation", "splinter")
"""Encoders of text of which transformers has neither a masked-language-model head nor a text-encoder class."""
_COUNT_FIELDS: Final = (
    "inner_group_num",
    "num_experts",
    "num_hidden_groups",
    "num_hidden_layers",
    "num_layers",
    "num_decoder_layers",
    "n_layers",
    "n_layer",
    "encoder_layers",
    "decoder_layers",
)
"""Fields that say how many layers, or parts like them, transformers makes."""
_MOST_LAYERS: Final = 1024
_ENCODER_DECODERS: Final = ("is_encoder_decoder", "is_decoder", "position_embedding_type", "add_cross_attention")
"""Fields that the packed families refuse, and of which transformers' own modules know what they mean."""


def refusal(raw: Mapping[str, Any]) -> str:
    """Why a model cannot be served, packed or not; empty where nothing in config.json speaks against it.

    Args:
        raw: config.json as it was read.
    """
    family = raw.get("model_type")
    if isinstance(family, str) and family in FAMILIES and not FAMILIES[family].general:
        return common_refusal(raw)
    if not isinstance(family, str) or family not in text_encoders():
        return (
            f"its family is {family!r}, which is no encoder of text that transformers knows; the families offered are "
            f"{', '.join(sorted({*FAMILIES, *text_encoders()}))}"
        )
    if raw.get("is_decoder") and not raw.get("is_encoder_decoder"):
        return "it is a decoder (`is_decoder`); only encoders are served"
    for name in _COUNT_FIELDS:
        value = raw.get(name)
        if value is not None and not (type(value) is int and 1 <= value <= _MOST_LAYERS):
            return f"Expected `{name}` in config.json to be a whole number within 1..{_MOST_LAYERS}, but got {value!r}"
    if expected := _table_refusal(raw.get("lang2id")):
        return f"Expected `lang2id` in config.json to be {expected}, but got {raw['lang2id']!r}"
    # Code that the configuration names is not run: transformers has modules of its own for this family.
    return common_refusal({name: value for name, value in raw.items() if name not in (*_ENCODER_DECODERS, "auto_map")})


def _table_refusal(table: object) -> str:
    """What a table of languages, XLM's `lang2id`, was expected to be; empty where it is right or there is none."""
    if table is None or (isinstance(table, dict) and all(type(row) is int and row >= 0 for row in table.values())):
        return ""
    return "an object of languages with their rows, whole numbers of at least 0"


@lru_cache(maxsize=1)
def text_encoders() -> frozenset[str]:
    """Model types of which transformers itself has an encoder of text."""
    with importing:
        from transformers.models.auto import modeling_auto as auto
        from transformers.models.auto import processing_auto as processors

    encoders = {
        *auto.MODEL_FOR_MASKED_LM_MAPPING_NAMES,
        *auto.MODEL_FOR_TEXT_ENCODING_MAPPING_NAMES,
        *auto.MODEL_FOR_SEQ_TO_SEQ_CAUSAL_LM_MAPPING_NAMES,
        *_OTHERS,
    }
    names: Iterable[str] = vars(processors)["PROCESSOR_MAPPING_NAMES"]
    # What has a processor beside a tokenizer reads sounds or images.
    return frozenset(encoders & set(auto.MODEL_MAPPING_NAMES) - set(names))

"""Small models of families that have no packed path, and where their hidden states are, written down by hand."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tokenizers import processors
from transformers import AutoConfig, AutoModel, AutoModelForMaskedLM

from tests.support.encoder_pairs import Places
from tests.support.tiny_models import build_tokenizer, name_class, roughen

_PLAIN = {"hidden_size": 48, "intermediate_size": 80, "num_attention_heads": 3, "num_hidden_layers": 4}
_BERT = {**_PLAIN, "max_position_embeddings": 256, "type_vocab_size": 2}
_ROBERTA = {**_PLAIN, "max_position_embeddings": 258, "type_vocab_size": 1}
_SEQ2SEQ = {
    "d_model": 48,
    "encoder_layers": 3,
    "decoder_layers": 1,
    "encoder_attention_heads": 3,
    "decoder_attention_heads": 3,
    "encoder_ffn_dim": 80,
    "decoder_ffn_dim": 80,
    "max_position_embeddings": 256,
}
_T5 = {"d_model": 48, "d_kv": 12, "d_ff": 80, "num_layers": 3, "num_decoder_layers": 1, "num_heads": 4}


_NOT_PACKED = {"hidden_act": "gelu_fast"}
"""An activation that the packed blocks do not offer: transformers' own modules run such a model."""
_BERT_PLACES = Places("encoder.layer.0", "encoder.layer.{}")


@dataclass(frozen=True)
class GeneralKind:
    """A family for tests.

    Attributes:
        kind: Kind of its tokenizer: `wordpiece`, `bytes` or `unigram`.
        settings: transformers' settings.
        places: Where its hidden states are.
        codes: Language tokens of its vocabulary, of which the first stands before every text.
    """

    kind: str
    settings: dict[str, Any]
    places: Places = _BERT_PLACES
    codes: tuple[str, ...] = ()


GENERAL: dict[str, GeneralKind] = {
    "albert": GeneralKind(
        "unigram",
        {**_BERT, "embedding_size": 24, "num_hidden_groups": 1, "inner_group_num": 1, **_NOT_PACKED},
        Places("encoder.albert_layer_groups.0", "encoder.albert_layer_groups.0", shared=True),
    ),
    "deberta-v2": GeneralKind(
        "unigram",
        {
            **_PLAIN,
            "max_position_embeddings": 256,
            "type_vocab_size": 0,
            "relative_attention": True,
            "position_buckets": 32,
            "pos_att_type": ["p2c", "c2p"],
            "norm_rel_ebd": "layer_norm",
            "share_att_key": True,
            "position_biased_input": False,
        },
    ),
    "eurobert": GeneralKind(
        "bytes",
        {**_PLAIN, "num_key_value_heads": 3, "max_position_embeddings": 256, "mask_token_id": 4, **_NOT_PACKED},
        Places("layers.0", "layers.{}", "norm"),
    ),
    "m2m_100": GeneralKind(
        "unigram",
        _SEQ2SEQ,
        Places("layers.0", "layers.{}", "layer_norm", language="deu"),
        codes=("eng_Latn", "deu_Latn", "zho_Hans", "zho_Hant"),
    ),
    "mbart": GeneralKind(
        "unigram",
        _SEQ2SEQ,
        Places("layers.0", "layers.{}", "layer_norm", language="fr"),
        codes=("en_XX", "fr_XX", "zh_CN"),
    ),
    "mpnet": GeneralKind("bytes", _ROBERTA),
    "mt5": GeneralKind("unigram", _T5, Places("block.0", "block.{}", "final_layer_norm")),
    "nomic_bert": GeneralKind("wordpiece", _BERT, Places("layers.0", "layers.{}")),
    "rembert": GeneralKind("unigram", {**_BERT, "input_embedding_size": 24, **_NOT_PACKED}),
    "xlm": GeneralKind(
        "bytes",
        {
            "emb_dim": 48,
            "n_layers": 4,
            "n_heads": 3,
            "n_langs": 3,
            "use_lang_emb": True,
            "lang2id": {"de": 0, "en": 1, "fr": 2},
            "max_position_embeddings": 256,
            "pad_index": 1,
        },
        Places("", "layer_norm2.{}", embeddings="layer_norm_emb", language="en"),
    ),
    "xlm-roberta-xl": GeneralKind(
        "unigram", _ROBERTA | _NOT_PACKED, Places("encoder.layer.0", "encoder.layer.{}", "encoder.LayerNorm")
    ),
    "xmod": GeneralKind(
        "unigram",
        {**_ROBERTA, "languages": ["en_XX", "sw_KE"], "default_language": "en_XX"},
        Places("encoder.layer.0", "encoder.layer.{}", language="sw"),
    ),
}
"""Families by model type."""


SERVED = tuple(family for family in GENERAL if family not in {"eurobert", "rembert", "xlm-roberta-xl"})
"""Those that the parity tests run: of families that are packed as well, one is enough."""

TRAINED: dict[str, dict[str, Any]] = {
    "deberta-v2": {"num_hidden_layers": 2},
    "m2m_100": {"encoder_layers": 2},
    "mpnet": {"num_hidden_layers": 2},
}
"""Those that the trainer's tests fine-tune, with settings of two blocks."""


def build_general(family: str, folder: Path, *, seed: int = 0, head: bool = False, **settings: Any) -> Path:
    """Save a model of a family, with a tokenizer of its kind.

    Args:
        family: transformers' model type.
        folder: Where to; made.
        seed: Of the weights.
        head: Whether with its masked-language-model head.
        settings: Over those of the family.
    """
    kind = GENERAL[family]
    tokenizer = build_tokenizer(family, kind.kind)
    if kind.codes:
        tokenizer.add_special_tokens({"additional_special_tokens": list(kind.codes)})
        around = [kind.codes[0], tokenizer.sep_token]
        tokenizer.backend_tokenizer.post_processor = processors.TemplateProcessing(
            single=f"{around[0]} $A {around[1]}",
            special_tokens=[(token, tokenizer.convert_tokens_to_ids(token)) for token in around],
        )
    config = AutoConfig.for_model(
        family,
        **{
            "vocab_size": len(tokenizer),
            "pad_token_id": tokenizer.pad_token_id,
            "bos_token_id": tokenizer.cls_token_id,
            "eos_token_id": tokenizer.sep_token_id,
            "decoder_start_token_id": tokenizer.sep_token_id,
            **kind.settings,
            **settings,
        },
    )
    model = (AutoModelForMaskedLM if head else AutoModel).from_config(config)
    roughen(model, seed)
    folder.mkdir(parents=True, exist_ok=True)
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    name_class(folder, "PreTrainedTokenizerFast")
    return folder

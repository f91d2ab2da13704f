"""Encoders without a packed path against the loop that one writes with transformers: batches of 32 in order of arrival.

Models of random weights at the size of multilingual MiniLM: 12 layers of width 384.
"""

import tempfile
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path
from typing import Any, Final

from transformers import AutoConfig, AutoModel, AutoTokenizer
from transformers.utils import logging as transformers_logging

from benchmarks.encoder import PLAIN_BATCH, engine_work, minilm_folder, news_texts, plain_loop
from benchmarks.rounds import alternate
from benchmarks.rows import Row, row
from services.encoder.loading import load_engine
from services.models.catalogue import ModelFiles
from services.models.spec import ModelSpec

TEXTS: Final = 256
ROUNDS: Final = 5
SPEEDUP_GOAL: Final = 1.5

_SIZES: Final[dict[str, Any]] = {
    "vocab_size": 30522,
    "hidden_size": 384,
    "intermediate_size": 1536,
    "num_attention_heads": 12,
    "num_hidden_layers": 12,
}
FAMILIES: Final[dict[str, dict[str, Any]]] = {
    "albert": {"embedding_size": 128},
    "deberta-v2": {
        "relative_attention": True,
        "position_buckets": 256,
        "pos_att_type": ["p2c", "c2p"],
        "norm_rel_ebd": "layer_norm",
        "share_att_key": True,
        "position_biased_input": False,
        "type_vocab_size": 0,
    },
    "eurobert": {"num_key_value_heads": 12, "pad_token_id": 0, "bos_token_id": 101, "eos_token_id": 102},
    "rembert": {"input_embedding_size": 128},
}
"""transformers' settings by model type."""


def run(quick: bool = False) -> list[Row]:
    """The speed-up of each family."""
    transformers_logging.set_verbosity_error()
    transformers_logging.disable_progress_bar()
    texts = news_texts(64 if quick else TEXTS)
    rows: list[Row] = []
    for family, settings in FAMILIES.items():
        with tempfile.TemporaryDirectory() as scratch:
            config = AutoConfig.for_model(family, **_SIZES, **settings)
            AutoModel.from_config(config).save_pretrained(scratch)
            AutoTokenizer.from_pretrained(minilm_folder()).save_pretrained(scratch)
            rows += _figures(family, Path(scratch), texts, 1 if quick else ROUNDS)
    return rows


def _figures(family: str, folder: Path, texts: Sequence[str], rounds: int) -> list[Row]:
    with closing(load_engine(ModelFiles(aliases={"model": folder}), ModelSpec("model"))) as engine:
        layers = tuple(range(engine.info.layers + 1))
        ratio, seconds = alternate(engine_work(engine, texts, layers, "float32"), plain_loop(folder, texts), rounds)
        bench = f"general {family}"
        against = f"transformers, batches of {PLAIN_BATCH}"
        return [
            row(bench, "engine", len(texts) / seconds, "texts/s"),
            row(bench, "engine, speed-up", 1 / ratio, "x", against=against, at_least=SPEEDUP_GOAL),
        ]

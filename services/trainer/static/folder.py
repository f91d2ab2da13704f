"""Static vectors as a model folder of the family `static`, which the encoder serves, with the same ones as `.vec`."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors.torch import save_file

from services.models.families import FAMILIES
from services.models.families.static import NAME
from services.models.files.checkpoint import SINGLE_FILE
from services.models.files.folders import CONFIG_FILE
from services.trainer.data.pieces import Ints
from services.trainer.durable import durable_folder
from services.trainer.pretraining.folder import RECORD_FILE

VECTORS_FILE: Final = "vectors.vec"
"""A line `n d`, then a sub-word and its numbers a line, most frequent first."""
_LINES: Final = 1024


def table(vectors: NDArray[np.float32], known: Ints, special: NDArray[np.bool_]) -> NDArray[np.float32]:
    """[V, d]: the vectors of known tokens, zero for special ones, and for others the mean of all that are known."""
    rows = np.tile(vectors.mean(axis=0, dtype=np.float64).astype(np.float32), (len(special), 1))
    rows[special] = 0.0
    rows[known] = vectors
    return rows


def write_static(
    target: Path,
    *,
    vectors: NDArray[np.float32],
    known: Ints,
    special: NDArray[np.bool_],
    tokenizer: Any,
    record: Mapping[str, str],
) -> None:
    """Write a model, whole or not at all.

    Args:
        target: The folder; replaced where it is there.
        vectors: [n, d] of the known tokens.
        known: [n] their ids, most frequent first.
        special: [V] tokens that get no vector.
        tokenizer: transformers' tokenizer.
        record: How they were trained, by name.
    """
    config = {
        "model_type": NAME,
        "vocab_size": len(special),
        "hidden_size": int(vectors.shape[1]),
        "max_position_embeddings": int(tokenizer.model_max_length),
        "pad_token_id": tokenizer.pad_token_id,
    }
    rows = torch.from_numpy(table(vectors, known, special))
    target.parent.mkdir(parents=True, exist_ok=True)
    with durable_folder(target) as folder:
        tokenizer.save_pretrained(folder)
        (folder / CONFIG_FILE).write_text(json.dumps(config, indent=2), encoding="utf-8")
        save_file({FAMILIES[NAME].word_table: rows}, folder / SINGLE_FILE, metadata={"format": "pt"})
        text = json.dumps(dict(record), ensure_ascii=False, indent=2, sort_keys=True)
        (folder / RECORD_FILE).write_text(text, encoding="utf-8")
        _write_vec(folder / VECTORS_FILE, tokenizer.convert_ids_to_tokens(known.tolist()), vectors)


def _write_vec(path: Path, names: Sequence[str], vectors: NDArray[np.float32]) -> None:
    """The vectors as word2vec and fastText write them; numbers have nine digits, by which float32 is exact."""
    with path.open("w", encoding="utf-8") as stream:
        stream.write(f"{len(names)} {vectors.shape[1]}\n")
        for first in range(0, len(names), _LINES):
            rows = vectors[first : first + _LINES].tolist()
            for name, row in zip(names[first : first + _LINES], rows, strict=True):
                stream.write(" ".join([name, *(f"{number:.9g}" for number in row)]) + "\n")

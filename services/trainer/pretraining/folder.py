"""A pretrained model as an ordinary Hugging Face folder: encoder, masked-language-model head, tokenizer."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from safetensors.torch import save_file

from services.models.files.checkpoint import SINGLE_FILE
from services.models.files.folders import CONFIG_FILE, read_config
from services.runtime.work import importing
from services.trainer.durable import durable_folder
from services.trainer.pretraining.head import TrainableHead
from services.trainer.pretraining.start import named
from services.trainer.training.encoder import TrainableEncoder
from services.trainer.training.folder import copy_settings

RECORD_FILE: Final = "pretraining.json"


def write_pretrained(target: Path, encoder: TrainableEncoder, head: TrainableHead, record: Mapping[str, str]) -> None:
    """Write a model, whole or not at all; parts of the checkpoint that were not trained, as its pooler, are left out.

    Args:
        target: The folder; replaced where it is there.
        encoder: The encoder with its present weights.
        head: The head with its present weights.
        record: How it was trained, by name.
    """
    with importing:
        from transformers.models.auto.modeling_auto import MODEL_FOR_MASKED_LM_MAPPING_NAMES as CLASSES

    tensors = {
        named(encoder.family.prefixes, encoder.stored_names[name]): parameter
        for name, parameter in encoder.parameters.items()
    }
    tensors.update(head.parameters)
    with durable_folder(target) as folder:
        copy_settings(folder, encoder.folder)
        if encoder.folder.family in CLASSES:
            config = read_config(folder, "the model") | {"architectures": [CLASSES[encoder.folder.family]]}
            (folder / CONFIG_FILE).write_text(json.dumps(config, ensure_ascii=False, indent=2), encoding="utf-8")
        weights = {name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}
        save_file(weights, folder / SINGLE_FILE, metadata={"format": "pt"})
        text = json.dumps(dict(record), ensure_ascii=False, indent=2, sort_keys=True)
        (folder / RECORD_FILE).write_text(text, encoding="utf-8")

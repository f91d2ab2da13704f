"""A trained model as an ordinary Hugging Face folder, with the task's head beside it."""

import json
import shutil
from collections.abc import Sequence
from pathlib import Path

from safetensors.torch import save_file

from services.models.files.checkpoint import SINGLE_FILE
from services.models.files.folders import CONFIG_FILE, ModelFolder, read_config
from services.trainer.alignment.edits import LanguageEdit
from services.trainer.durable import durable_folder
from services.trainer.evaluation.checkpoint import HEAD_FILE, TASK_FILE, TaskRecord
from services.trainer.evaluation.own_edits import write_edits
from services.trainer.tasks.base import Head
from services.trainer.training.trainable import Trainable

_TOKENIZER_MODELS = ("sentencepiece.bpe.model", "spiece.model", "spm.model", "tokenizer.model", "bpe.codes")
"""Files that slow tokenizers read; the servers do not need them, transformers may."""


def write_folder(
    target: Path, encoder: Trainable, head: Head, record: TaskRecord, edits: Sequence[LanguageEdit] = ()
) -> None:
    """Write a model, whole or not at all.

    Tensors keep the names of the checkpoint that the model came from; those that are no part of the encoder, and the
    tokenizer's files, are copied as they are.

    Args:
        target: The folder; replaced where it is there.
        encoder: The encoder with its present weights.
        head: The head with its present weights.
        record: What `task.json` says.
        edits: Interventions that belong to the model.
    """
    tensors = encoder.stored()
    with durable_folder(target) as folder:
        copy_settings(folder, encoder.folder)
        save_file(tensors, folder / SINGLE_FILE, metadata={"format": "pt"})
        weights = {name: tensor.detach().cpu().contiguous() for name, tensor in head.state_dict().items()}
        save_file(weights, folder / HEAD_FILE)
        write_edits(folder, edits)
        (folder / TASK_FILE).write_text(record.to_json(), encoding="utf-8")


def copy_settings(folder: Path, origin: ModelFolder) -> None:
    """Copy what a model's folder has besides weights; the configuration then says that the weights are float32."""
    for path in origin.files:
        if path not in origin.weights:
            shutil.copyfile(path, folder / path.name)
    for name in _TOKENIZER_MODELS:
        if (origin.path / name).is_file():
            shutil.copyfile(origin.path / name, folder / name)
    _state_type(folder)


def _state_type(folder: Path) -> None:
    """Trained weights are float32, and transformers would load them in the type that the configuration names."""
    config = read_config(folder, "the model")
    named = [key for key in ("dtype", "torch_dtype") if config.get(key, "float32") != "float32"]
    if named:
        config.update(dict.fromkeys(named, "float32"))
        (folder / CONFIG_FILE).write_text(json.dumps(config, ensure_ascii=False, indent=2), encoding="utf-8")

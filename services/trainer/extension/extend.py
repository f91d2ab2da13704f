"""A model with words of another language: tokenizer, embeddings and head extended, all else as it was."""

import json
import shutil
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
import torch
from babelscope.corpora.word_vectors import WordVectors, from_examples
from babelscope.data.examples import Example
from numpy.typing import NDArray
from safetensors.torch import save_file
from torch import Tensor

from services.models.catalogue import ModelFiles, configuration, packed_family
from services.models.families.base import tied
from services.models.files.checkpoint import SINGLE_FILE, Checkpoint
from services.models.files.digests import folder_digest
from services.models.files.folders import CONFIG_FILE, ModelFolder, read_config
from services.models.tokens.tokenizer_file import TOKENIZER_FILE, read_tokenizer
from services.runtime.errors import FailedPrecondition
from services.trainer.durable import durable_folder
from services.trainer.extension.plan import ExtendPlan, check, check_model
from services.trainer.extension.words import add, choose, fit_anchors, mapped

RECORD_FILE: Final = "extension.json"
_KEPT: Final = ("tokenizer_config.json", "special_tokens_map.json")

ReadArray = Callable[[str, str], NDArray[Any] | None]
"""The array of a stored map by the map's name and the array's role, `matrix` or `bias`; None where it has none."""


@dataclass(frozen=True)
class Extended:
    """What came of an extension.

    Attributes:
        folder: The model, an ordinary folder.
        added: Words that were added.
        known: Words that the tokenizer had in one piece already.
        refused: Words that no tokenizer can have.
        provenance: What determines the model, by name.
    """

    folder: Path
    added: int
    known: int
    refused: int
    provenance: dict[str, str]


def extend(
    plan: ExtendPlan,
    *,
    files: ModelFiles,
    examples: Callable[[str], Iterable[Example]],
    read_array: ReadArray,
    target: Path,
) -> Extended:
    """Append vectors of words to a model's embeddings.

    The words are tokens of their own wherever they stand as whole words. Special tokens, all other tokens and their ids
    stay as they were, and so does every tensor but those with a row for each token: the word table, whose new rows are
    the vectors, and an output layer, whose biases of new tokens are zero.

    Args:
        plan: The plan.
        files: Files of the models that may be extended.
        examples: Datasets by name.
        read_array: Arrays of stored maps.
        target: Folder of the new model; replaced where it is there.

    Raises:
        InvalidArgument: The plan is wrong, or widths do not fit.
        NotFound: There is no such model.
        FailedPrecondition: The model cannot be trained here, the vectors are none, or no word of them is new.
    """
    check(plan)
    folder, subject = files.find(plan.model.name, plan.model.revision), f"model {plan.model.name}"
    config, family = configuration(folder, subject), packed_family(folder, subject)
    check_model(family.languages(config), plan.model.name)
    backend = read_tokenizer(folder.path, subject).backend
    with Checkpoint(folder.weights, family, subject, "cpu", tied=tied(config)) as checkpoint:
        for _ in range(2):
            # Shapes first, then numbers: see `Checkpoint`.
            table = family.embeddings(checkpoint, config).word
            for layer in range(1, family.dimensions(config).layers + 1):
                family.block(checkpoint, config, layer)
            family.final_norm(checkpoint, config)
            checkpoint.finish(family.dimensions(config).layers)
        stored = checkpoint.others(())
        name = next(each for each in stored if each.endswith(family.word_table))
    unknown = backend.token_to_id(getattr(backend.model, "unk_token", None) or "")
    given = _vectors(examples, plan.vectors, plan.limit)
    matrix, bias, fit = _map(plan, examples, read_array, backend=backend, table=table, unknown=unknown)
    rows = mapped(given.vectors.astype(np.float64), matrix, bias, table.shape[1])
    new = choose(backend, given.words, unknown)
    if not new.words:
        raise FailedPrecondition(
            f"dataset {plan.vectors}",
            f"Expected words that {subject} does not have in one piece, but got none among {len(given.words)}",
        )
    ids = add(backend, new.words)
    chosen = torch.from_numpy(rows[list(new.rows)].astype(np.float32))
    tensors = {key: _extended(tensor, table, ids, chosen) for key, tensor in stored.items()}
    provenance = {
        "model": plan.model.name,
        "revision": plan.model.revision,
        "model_digest": folder_digest(folder.files),
        "vectors": plan.vectors,
        "map": plan.map,
        "anchors": plan.anchors,
        "anchor_fit": fit,
        "limit": str(plan.limit),
        "added": str(len(new.words)),
        "known": str(new.known),
        "refused": str(new.refused),
    }
    _write(target, folder, backend, tensors, rows=len(tensors[name]), provenance=provenance)
    return Extended(target, len(new.words), new.known, new.refused, provenance)


def _vectors(examples: Callable[[str], Iterable[Example]], dataset: str, limit: int = 0) -> WordVectors:
    try:
        return from_examples(examples(dataset), limit=limit)
    except ValueError as error:
        raise FailedPrecondition(f"dataset {dataset}", str(error)) from error


def _map(
    plan: ExtendPlan,
    examples: Callable[[str], Iterable[Example]],
    read_array: ReadArray,
    *,
    backend: Any,
    table: Tensor,
    unknown: int | None,
) -> tuple[NDArray[np.float64] | None, NDArray[np.float64] | None, str]:
    """The map of a plan, its bias, and how well it fits the anchors."""
    if plan.anchors:
        anchors = _vectors(examples, plan.anchors)
        embeddings = table.double().numpy()
        matrix, fit = fit_anchors(backend, anchors.words, anchors.vectors.astype(np.float64), embeddings, unknown)
        return matrix, None, fit
    if plan.map:
        matrix_given, bias = read_array(plan.map, "matrix"), read_array(plan.map, "bias")
        if matrix_given is None:
            raise FailedPrecondition(f"map {plan.map}", "Expected a matrix, but it has none")
        return matrix_given.astype(np.float64), None if bias is None else bias.astype(np.float64), ""
    return None, None, ""


def _extended(tensor: Tensor, table: Tensor, ids: list[int], vectors: Tensor) -> Tensor:
    """A tensor with rows for the new tokens, where it has one for each token; else the tensor itself.

    Args:
        tensor: Any tensor of the checkpoint.
        table: The word table, [V, d].
        ids: Ids of the new tokens; those below V are rows that no token had.
        vectors: [n, d], their vectors.
    """
    tokens, width = table.shape
    if tensor.shape not in {(tokens, width), (tokens,)} or not tensor.is_floating_point():
        return tensor.contiguous()
    grown = tensor.new_zeros((max(tokens, max(ids) + 1), *tensor.shape[1:]))
    grown[:tokens] = tensor
    grown[ids] = vectors.to(tensor.dtype) if tensor.ndim > 1 else tensor.new_zeros(len(ids))
    return grown


def _write(
    target: Path,
    origin: ModelFolder,
    backend: Any,
    tensors: dict[str, Tensor],
    *,
    rows: int,
    provenance: dict[str, str],
) -> None:
    """Write the model, whole or not at all; files of slow tokenizers, which lack the words, are left out."""
    target.parent.mkdir(parents=True, exist_ok=True)
    with durable_folder(target) as folder:
        for path in origin.files:
            if path not in origin.weights and path.name in _KEPT:
                shutil.copyfile(path, folder / path.name)
        backend.save(str(folder / TOKENIZER_FILE))
        config = read_config(origin.path, "the model") | {"vocab_size": rows}
        (folder / CONFIG_FILE).write_text(json.dumps(config, ensure_ascii=False, indent=2), encoding="utf-8")
        save_file(tensors, folder / SINGLE_FILE, metadata={"format": "pt"})
        text = json.dumps(provenance, ensure_ascii=False, indent=2, sort_keys=True)
        (folder / RECORD_FILE).write_text(text, encoding="utf-8")

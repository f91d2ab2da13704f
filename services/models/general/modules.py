"""A model folder to transformers' own module of the encoder: safetensors only, no code of it run, nothing missing."""

import copy
from collections.abc import Iterable, Mapping
from typing import Any, Final

import torch
from torch import Tensor, nn

from services.models.crashes import crash_of
from services.models.files.folders import ModelFolder
from services.models.general.bounds import bounded_modules
from services.runtime.errors import FailedPrecondition
from services.runtime.work import importing

DEFAULT_MAX_TOKENS: Final = 512
"""Longest input where neither positions nor tokenizer limit it: relative positions go on for ever, memory does not."""
_MOST_TOKENS: Final = 1 << 20
_SHOWN: Final = 8


def configuration(folder: ModelFolder, subject: str) -> Any:
    """Transformers' configuration object of a folder.

    Raises:
        FailedPrecondition: It does not load.
    """
    with importing:
        from transformers import AutoConfig

    try:
        config = AutoConfig.from_pretrained(str(folder.path), local_files_only=True, trust_remote_code=False)
    except Exception as error:  # each field of each family has errors of its own, some without a common base
        raise FailedPrecondition(subject, f"its configuration does not load: {error}") from error
    if getattr(config, "attention_type", None) == "block_sparse":
        # Below `block_sparse_limit` tokens transformers attends in full as well, and above it by chance.
        config.attention_type = "original_full"
    return config


def outline(config: Any, subject: str) -> nn.Module:
    """The encoder without numbers, from its configuration alone.

    Raises:
        FailedPrecondition: The configuration describes no model.
    """
    try:
        with torch.device("meta"), bounded_modules():
            return _encoder(_model_class(config).from_config(copy.deepcopy(config)))
    except Exception as error:
        raise FailedPrecondition(subject, f"its configuration describes no model: {error}") from error


def load(folder: ModelFolder, config: Any, subject: str, device: str) -> nn.Module:
    """The encoder with the folder's weights in float32, ready to compute.

    Raises:
        FailedPrecondition: Weights are missing, do not fit, or are not understood.
    """
    sketch = outline(config, subject)
    numbers = sum(parameter.numel() for parameter in sketch.parameters())
    size = sum(path.stat().st_size for path in folder.weights)
    if numbers > size:
        raise FailedPrecondition(
            subject, f"Expected {numbers} weights, as config.json describes them, but the files have {size} bytes"
        )
    model, report = read(_model_class(config), folder, config, subject)
    encoder = _encoder(model)
    _check(model, encoder, report, subject)
    with torch.no_grad():
        for tensor in (*encoder.parameters(), *encoder.buffers()):
            # A copy: the file may be mapped, and weights must not change when somebody writes over it.
            tensor.data = tensor.data.clone()
            tensor.requires_grad_(False)
    encoder.train(False)
    return encoder.to(device)


def read(model_class: Any, folder: ModelFolder, config: Any, subject: str) -> tuple[nn.Module, dict[str, Any]]:
    """A model of transformers with the folder's weights in float32, and what transformers says of its loading.

    Raises:
        FailedPrecondition: The weights do not load.
    """
    with importing:
        from transformers.utils import logging

    logging.disable_progress_bar()  # type: ignore[no-untyped-call]
    try:
        model, report = model_class.from_pretrained(
            str(folder.path),
            config=copy.deepcopy(config),
            local_files_only=True,
            use_safetensors=True,
            dtype=torch.float32,
            output_loading_info=True,
        )
    except BaseException as error:
        raise FailedPrecondition(subject, f"its weights do not load: {crash_of(error)}") from error
    return model, report


def filled(config: Any, tensors: Mapping[str, Tensor], subject: str) -> nn.Module:
    """The encoder with given tensors in the place of those of its files, by the names that they have there.

    Raises:
        FailedPrecondition: They do not load.
    """
    with importing:
        from transformers.utils import logging

    said = logging.get_verbosity()
    # Its report names no folder, and was told when the folder itself was read.
    logging.set_verbosity_error()  # type: ignore[no-untyped-call]
    try:
        with torch.device("meta"):
            made: Any = type(_model_class(config).from_config(copy.deepcopy(config)))
        given = {"config": copy.deepcopy(config), "state_dict": dict(tensors), "dtype": torch.float32}
        return _encoder(made.from_pretrained(None, **given))
    except Exception as error:
        raise FailedPrecondition(subject, f"its tensors do not load by their names: {error}") from error
    finally:
        logging.set_verbosity(said)


def has_head_class(config: Any) -> bool:
    """Whether transformers has a masked-language-model head for an encoder of this kind."""
    with importing:
        from transformers.models.auto.modeling_auto import MODEL_FOR_MASKED_LM_MAPPING_NAMES

    return config.model_type in MODEL_FOR_MASKED_LM_MAPPING_NAMES and not config.is_encoder_decoder


def head_class() -> Any:
    """Transformers' class that loads an encoder with its head."""
    with importing:
        from transformers import AutoModelForMaskedLM

    return AutoModelForMaskedLM


def head_outline(config: Any, subject: str) -> Any:
    """The encoder with its head, without numbers.

    Raises:
        FailedPrecondition: The configuration describes no model.
    """
    try:
        with torch.device("meta"), bounded_modules():
            return head_class().from_config(copy.deepcopy(config))
    except Exception as error:
        raise FailedPrecondition(subject, f"its configuration describes no model: {error}") from error


def most_numbers(config: Any, module: nn.Module, subject: str) -> int:
    """Numbers in all tensors, those of a head among them: whether there is one shows when the model is loaded.

    Args:
        config: transformers' configuration.
        module: The encoder, or its outline.
        subject: What to call it in errors.

    Raises:
        FailedPrecondition: The configuration describes no model.
    """
    whole: list[nn.Module] = [module, *([head_outline(config, subject)] if has_head_class(config) else [])]
    return max(sum(parameter.numel() for parameter in each.parameters()) for each in whole)


def longest_input(config: Any, module: nn.Module, tokenizer_limit: int | None) -> int:
    """Tokens of the longest input, special tokens included.

    Position tables of the RoBERTa family, known by their padding row, begin after that row.

    Args:
        config: transformers' configuration.
        module: The encoder, or its outline.
        tokenizer_limit: What tokenizer_config.json says; used where the model itself sets no limit.
    """
    limit = getattr(config, "max_position_embeddings", None)
    for name, part in module.named_modules():
        table = getattr(part, "weight", None)
        if name.rpartition(".")[2] == "position_embeddings" and isinstance(table, Tensor):
            padding = getattr(part, "padding_idx", None)
            rows = int(table.shape[0]) - (0 if padding is None else int(padding) + 1)
            limit = rows if limit is None else min(limit, rows)
    sparse = getattr(config, "block_size", None)
    if sparse and getattr(config, "attention_type", None) == "original_full" and hasattr(config, "num_random_blocks"):
        block_sparse_limit = (5 + 2 * config.num_random_blocks) * sparse
        limit = block_sparse_limit if limit is None else min(limit, block_sparse_limit)
    if type(limit) is not int or not 0 < limit <= _MOST_TOKENS:
        limit = tokenizer_limit
    return limit if limit is not None and 0 < limit <= _MOST_TOKENS else DEFAULT_MAX_TOKENS


def _model_class(config: Any) -> Any:
    """Transformers' class that loads the encoder, and no decoder where it has one that does without."""
    with importing:
        from transformers import AutoModel, AutoModelForTextEncoding
        from transformers.models.auto.modeling_auto import MODEL_FOR_TEXT_ENCODING_MAPPING_NAMES

    alone = config.is_encoder_decoder and config.model_type in MODEL_FOR_TEXT_ENCODING_MAPPING_NAMES
    return AutoModelForTextEncoding if alone else AutoModel


def _encoder(model: nn.Module) -> nn.Module:
    """The encoder of an encoder-decoder, a model itself otherwise."""
    config: Any = model.config
    encoder: Any = model
    if config.is_encoder_decoder or type(model).__name__.endswith("EncoderModel"):
        get: Any = model.get_encoder
        encoder = get()
    return encoder if isinstance(encoder, nn.Module) else model


def _check(model: nn.Module, encoder: nn.Module, report: dict[str, Any], subject: str) -> None:
    """Make sure that every weight of the encoder came from the files, and that none of its own was left unread.

    Raises:
        FailedPrecondition: Names the tensors.
    """
    prefix = next(f"{name}." if name else "" for name, part in model.named_modules() if part is encoder)
    own = {name for name, _ in encoder.named_parameters()}
    missing = [
        name
        for name in report["missing_keys"]
        if name.startswith(prefix) and name.removeprefix(prefix) in own and "pooler" not in name.split(".")
    ]
    if missing:
        raise FailedPrecondition(
            subject,
            f"Expected all of the encoder's tensors in the checkpoint, but {len(missing)} are missing: "
            f"{_shortened(missing)}",
        )
    parts = {name.partition(".")[0] for name in own} - {"pooler"}
    base = getattr(model, "base_model_prefix", "")
    strange = [
        name
        for name in report["unexpected_keys"]
        if name.removeprefix(f"{base}.").removeprefix(prefix).partition(".")[0] in parts
        and not name.endswith(("position_ids", "token_type_ids", "inv_freq"))
    ]
    if strange:
        raise FailedPrecondition(
            subject, f"The checkpoint holds tensors that this family does not have: {_shortened(strange)}"
        )


def _shortened(names: Iterable[str]) -> str:
    """The first names, and how many more there are."""
    listed = sorted(names)
    rest = len(listed) - _SHOWN
    return ", ".join(listed[:_SHOWN]) + (f" and {rest} more" if rest > 0 else "")

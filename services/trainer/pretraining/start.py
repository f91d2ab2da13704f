"""A new model: an ordinary folder with a tokenizer, a configuration, and random weights of the encoder."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

from babelscope.data.jobs.architecture import Architecture
from safetensors.torch import save_file
from torch import Tensor

from services.models.crashes import crash_of
from services.models.families import FAMILIES
from services.models.families.own import read_configuration
from services.models.families.separable import NAME as SEPARABLE
from services.models.files.checkpoint import SINGLE_FILE
from services.models.files.folders import CONFIG_FILE, ModelFolder, inspect
from services.models.reinit import Draw
from services.models.tokens.tokenizer_file import language_file
from services.models.weights import Slot
from services.runtime.errors import FailedPrecondition, InvalidArgument
from services.runtime.work import importing
from services.trainer.durable import durable_folder
from services.trainer.pretraining.vocabularies import Vocabularies

_ROLES: Final = {
    "pad_token": ("[PAD]", "<pad>"),
    "unk_token": ("[UNK]", "<unk>"),
    "cls_token": ("[CLS]", "<s>"),
    "sep_token": ("[SEP]", "</s>"),
    "mask_token": ("[MASK]", "<mask>"),
}
"""What special tokens are called, by their part in the model."""


def draw_model(
    target: Path,
    architecture: Architecture,
    vocabularies: Vocabularies,
    subject: str,
    *,
    seed: int,
    languages: Sequence[str] = (),
) -> ModelFolder:
    """Write a model with random weights, which depend on the configuration and the seed alone.

    A tokenizer that puts nothing around a text is told to put [CLS] before it and [SEP] behind.

    Args:
        target: The folder; replaced where it is there.
        architecture: Its sizes.
        vocabularies: What cuts its texts.
        subject: What to call the vocabulary in errors.
        seed: Seed of the weights.
        languages: Its languages, where it has parts of which each has its own.

    Raises:
        InvalidArgument: The sizes do not fit one another.
        FailedPrecondition: The vocabulary is no tokenizer, or lacks a special token.
    """
    tokenizer = tokenizer_of(vocabularies.whole, subject, architecture.max_tokens)
    config = _config(architecture, tokenizer)
    described = _described(architecture, config, languages)
    if architecture.separation is not None:
        config = read_configuration(described, "the new model")
    family = FAMILIES[described["model_type"]]
    refused = family.refusal(config)
    if refused:
        raise InvalidArgument("architecture", refused)
    drawn: dict[str, Tensor] = {}
    for layer in range(architecture.layers + 2):
        source = _Kept(Draw(seed, layer, "model", "cpu"), drawn)
        if layer == 0:
            family.embeddings(source, config)
        elif layer <= architecture.layers:
            family.block(source, config, layer)
        else:
            family.final_norm(source, config)
    target.parent.mkdir(parents=True, exist_ok=True)
    with durable_folder(target) as folder:
        tokenizer.save_pretrained(folder)
        around = json.loads(tokenizer.backend_tokenizer.to_str())["post_processor"]
        for language, description in vocabularies.parts.items():
            text = json.dumps(json.loads(description) | {"post_processor": around}, ensure_ascii=False)
            (folder / language_file(language)).write_text(text, encoding="utf-8")
        (folder / CONFIG_FILE).write_text(json.dumps(described, ensure_ascii=False, indent=2), encoding="utf-8")
        tensors = {named(family.prefixes, name): tensor.contiguous() for name, tensor in drawn.items()}
        save_file(tensors, folder / SINGLE_FILE, metadata={"format": "pt"})
    return inspect(target, "the new model", None)


def named(prefixes: Sequence[str], name: str) -> str:
    """A tensor's name in a checkpoint with a head: with the first of the family's prefixes, where it has any."""
    return name if not prefixes or name.startswith(tuple(prefixes)) else prefixes[0] + name


class _Kept:
    """A source that keeps what is drawn."""

    def __init__(self, draw: Draw, drawn: dict[str, Tensor]) -> None:
        self._draw, self._drawn = draw, drawn

    def tensor(self, slot: Slot) -> Tensor:
        """The tensor of a slot."""
        self._drawn[slot.name] = tensor = self._draw.tensor(slot)
        return tensor


def tokenizer_of(vocabulary: str, subject: str, max_tokens: int) -> Any:
    """Transformers' tokenizer of a tokenizer.json, with its special tokens named.

    Raises:
        FailedPrecondition: It does not load, or lacks a special token.
    """
    with importing:
        from tokenizers import Tokenizer, processors
        from transformers import PreTrainedTokenizerFast

    try:
        backend = Tokenizer.from_str(vocabulary)
        bare = json.loads(vocabulary).get("post_processor") is None
    except BaseException as error:
        raise FailedPrecondition(
            subject, f"Expected a tokenizer.json, but it does not load: {crash_of(error)}"
        ) from error
    roles = {}
    for role, names in _ROLES.items():
        found = [name for name in names if backend.token_to_id(name) is not None]
        if not found:
            raise FailedPrecondition(subject, f"Expected the token {' or '.join(names)}, but the vocabulary has none")
        roles[role] = found[0]
    if bare:
        first, last = roles["cls_token"], roles["sep_token"]
        ids = [(token, backend.token_to_id(token)) for token in (first, last)]
        backend.post_processor = processors.TemplateProcessing(
            single=f"{first} $A {last}", pair=f"{first} $A {last} $B:1 {last}:1", special_tokens=ids
        )
    make: Any = PreTrainedTokenizerFast  # untyped
    return make(tokenizer_object=backend, model_max_length=max_tokens, **roles)


def _config(architecture: Architecture, tokenizer: Any) -> Any:
    """Transformers' configuration."""
    with importing:
        from transformers import AutoConfig
        from transformers.models.auto.modeling_auto import MODEL_FOR_MASKED_LM_MAPPING_NAMES as CLASSES

    vocabulary = max(tokenizer.get_vocab().values()) + 1
    longest = architecture.max_tokens
    if architecture.family == "roberta":
        # Its positions count from behind the padding token's id.
        longest += tokenizer.pad_token_id + 1
    config = AutoConfig.for_model(
        architecture.family,
        vocab_size=vocabulary,
        num_hidden_layers=architecture.layers,
        hidden_size=architecture.hidden_size,
        num_attention_heads=architecture.heads,
        intermediate_size=architecture.feed_forward,
        max_position_embeddings=longest,
        initializer_range=architecture.initializer_range,
        pad_token_id=tokenizer.pad_token_id,
        bos_token_id=tokenizer.cls_token_id,
        eos_token_id=tokenizer.sep_token_id,
        cls_token_id=tokenizer.cls_token_id,
        sep_token_id=tokenizer.sep_token_id,
    )
    config.architectures = [CLASSES[architecture.family]]
    config.dtype = "float32"
    return config


def _described(architecture: Architecture, config: Any, languages: Sequence[str]) -> dict[str, Any]:
    """config.json."""
    said: dict[str, Any] = json.loads(config.to_json_string())
    separation = architecture.separation
    if separation is None:
        return said
    del said["architectures"]
    return said | {
        "model_type": SEPARABLE,
        "languages": sorted(languages),
        "separate_embeddings": separation.embeddings,
        "separate_layers": separation.layers,
        "separate_softmax": separation.softmax,
        "tie_word_embeddings": separation.embeddings == separation.softmax,
    }

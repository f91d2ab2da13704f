"""A model folder to an encoder that is run with hooks."""

import copy
import inspect
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import nn

from services.models.files.folders import ModelFolder
from services.models.files.heads import Headless
from services.models.general import modules, structure
from services.models.general.heads import HeadTemplate, load_head
from services.models.general.languages import Languages, languages_of
from services.models.general.proof import prove
from services.models.general.structure import Structure, Unfit
from services.models.general.taps import Taps
from services.models.spec import TokenizedText
from services.models.tokens.tokenization import Tokenizer
from services.runtime.errors import FailedPrecondition


@dataclass(frozen=True, eq=False)
class Base:
    """An encoder of a folder, without hooks: what variants with re-initialised layers share.

    Attributes:
        module: transformers' module, on its device.
        structure: Its blocks and hidden states.
        config: transformers' configuration.
        languages: The languages that it must be told; None where it needs none.
        padded: Whether texts of different lengths may share a batch.
        max_tokens: Longest input, special tokens included.
        padding: Token that fills the rows of a batch up; None where any will do.
        device: Device of the module.
        head: Its masked-language-model head; None where there is none.
        headless: Why there is none; empty where there is one.
    """

    module: nn.Module
    structure: Structure
    config: Any
    languages: Languages | None
    padded: bool
    max_tokens: int
    padding: int | None
    device: str
    head: HeadTemplate | None = None
    headless: str = ""

    @property
    def vocabulary_size(self) -> int:
        """Rows of the word embeddings."""
        return word_rows(self.module)

    @property
    def heads(self) -> int:
        """Attention heads a block; 0 where the configuration does not say."""
        return int(getattr(self.config, "num_attention_heads", 0) or 0)

    @property
    def segments(self) -> int:
        """Segments that its tokens may be told to be of; 0 where it is told none."""
        told = "token_type_ids" in inspect.signature(self.module.forward).parameters
        # TAPAS is told seven kinds at once, those of tables.
        told = told and not hasattr(self.config, "type_vocab_sizes")
        return int(getattr(self.config, "type_vocab_size", 0) or 0) if told else 0

    @property
    def parameters(self) -> int:
        """Numbers in all tensors of the encoder."""
        return sum(parameter.numel() for parameter in self.module.parameters())


def load_base(
    folder: ModelFolder, config: Any, tokenizer: Tokenizer, subject: str, device: str, *, headed: bool = True
) -> Base:
    """Load an encoder, find its blocks and prove that its hidden states are what they seem.

    Args:
        folder: The model.
        config: transformers' configuration.
        tokenizer: Its tokenizer.
        subject: What to call it in errors.
        device: `cpu`, `cuda:0`.
        headed: Whether its masked-language-model head is wanted.

    Raises:
        FailedPrecondition: It cannot be served, with the reason.
    """
    module = modules.load(folder, config, subject, device)
    languages = languages_of(config, tokenizer.backend)
    limit = modules.longest_input(config, module, tokenizer.limit)
    rng = np.random.default_rng(0)
    padding = getattr(config, "pad_token_id", None)

    def inputs(texts: Sequence[Sequence[int]]) -> Mapping[str, Any]:
        made = [_made_up(ids, None if languages is None else min(languages.codes.values())) for ids in texts]
        return arguments(made, languages, padding, device)

    try:
        drawn = rng.integers(0, word_rows(module), 256)
        probe = [int(token) for token in drawn if token != padding][:64]
        found = structure.find(module, inputs([probe[:11]]))
        taps = Taps(twin(module), found.sites)
        padded = prove(taps, found, inputs, probe)
        _try_longest(taps, inputs, probe, limit)
        head, headless = None, "it was not looked for"
        if headed:
            head, headless = _head(folder, config, module, inputs([probe[:11]]), subject, device=device)
    except Unfit as error:
        raise FailedPrecondition(subject, str(error)) from error
    except Exception as error:  # any module of transformers may fail in ways of its own
        raise FailedPrecondition(subject, f"its encoder does not run: {type(error).__name__}: {error}") from error
    return Base(module, found, config, languages, padded, limit, padding, device, head, headless)


def _head(
    folder: ModelFolder, config: Any, module: nn.Module, inputs: Mapping[str, Any], subject: str, *, device: str
) -> tuple[HeadTemplate | None, str]:
    """The head, or why there is none: a head never keeps an encoder from being served."""
    try:
        return load_head(folder, config, module, inputs, subject, device=device), ""
    except Headless as reason:
        return None, str(reason)
    except Exception as error:  # any module of transformers may fail in ways of its own
        return None, f"its head does not run: {type(error).__name__}: {error}"


def arguments(
    texts: Sequence[TokenizedText], languages: Languages | None, padding: int | None, device: str
) -> dict[str, Any]:
    """Keyword arguments of a module for some texts, padded on the right: ids and mask [B, T], and their languages.

    Args:
        texts: At least one text.
        languages: The languages that the model must be told, if it must.
        padding: Token that fills the rows up; 0 where there is none.
        device: Device of the module.
    """
    longest = max(len(text) for text in texts)
    ids = np.full((len(texts), longest), padding or 0, dtype=np.int64)
    mask = np.zeros((len(texts), longest), dtype=np.int64)
    for row, text in enumerate(texts):
        ids[row, : len(text)], mask[row, : len(text)] = text.ids, 1
    ids_BT = torch.from_numpy(ids).to(device)
    told = {} if languages is None else languages.arguments(texts, ids_BT)
    return {"input_ids": ids_BT, "attention_mask": torch.from_numpy(mask).to(device), **told}


def twin(module: nn.Module) -> nn.Module:
    """Modules of their own over the very same tensors."""
    memo: dict[int, Any] = {id(tensor): tensor for tensor in (*module.parameters(), *module.buffers())}
    return copy.deepcopy(module, memo)


def word_rows(module: nn.Module) -> int:
    """Rows of a module's word embeddings."""
    return int(word_table(module).shape[0])


def word_table(module: nn.Module) -> torch.Tensor:
    """A module's word embeddings, [V, e]."""
    get: Any = module.get_input_embeddings
    table: torch.Tensor = get().weight
    return table


def _made_up(ids: Sequence[int], language: int | None) -> TokenizedText:
    """A text of given tokens."""
    nowhere = np.zeros(len(ids), dtype=np.int32)
    special = np.zeros(len(ids), dtype=bool)
    return TokenizedText(np.array(ids), special, nowhere, nowhere, False, len(ids), language=language)


def _try_longest(taps: Taps, inputs: Any, probe: Sequence[int], limit: int) -> None:
    """Make sure that a text of the longest input has embeddings.

    Raises:
        Unfit: It has not.
    """
    try:
        with torch.no_grad():
            taps.run(inputs([[probe[place % len(probe)] for place in range(limit)]]), lambda _, hidden: hidden, 0)
    except (IndexError, RuntimeError) as error:
        raise Unfit(f"Expected inputs of up to {limit} tokens, but its embeddings fail on one: {error}") from error

"""The masked-language-model head of an encoder of transformers, run by its own code over any hidden states.

Heads have no name in common, but every model with one runs its encoder first and then the head. So the whole model is
run with an encoder that hands on the hidden states that it is given.
"""

import copy
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from safetensors import safe_open
from torch import Tensor, nn

from services.models.files.folders import ModelFolder
from services.models.files.heads import Headless
from services.models.general import modules
from services.models.general.proof import TOLERANCE
from services.models.general.rounding import round_linears
from services.models.layers.heads import largest
from services.runtime.errors import FailedPrecondition
from services.runtime.work import importing


@dataclass(frozen=True, eq=False)
class HeadTemplate:
    """A model of transformers with its head, whose encoder has no tensors but the word table.

    Attributes:
        model: The model; left as it is by the heads that are made of it.
        encoder: Name of the encoder within it.
        vocabulary: Tokens that the head scores, V.
    """

    model: nn.Module
    encoder: str
    vocabulary: int

    def head(self, word: Tensor) -> "GeneralHead":
        """The head, over a word table [V, e] where it shares the encoder's."""
        own = self.model.get_submodule(self.encoder).get_input_embeddings().weight  # type: ignore[operator]
        table = nn.Parameter(word.detach(), requires_grad=False)
        memo: dict[int, Any] = {id(tensor): tensor for tensor in (*self.model.parameters(), *self.model.buffers())}
        return GeneralHead(copy.deepcopy(self.model, memo | {id(own): table}), self.encoder, self.vocabulary)


class GeneralHead:
    """A head. Several threads may run it at once.

    Args:
        model: transformers' model with the head; changed, and used by nobody else.
        encoder: Name of the encoder within it.
        vocabulary: Tokens that it scores, V.
    """

    def __init__(self, model: nn.Module, encoder: str, vocabulary: int) -> None:
        self._model = model
        self._threads = threading.local()
        self.vocabulary_size = vocabulary
        vars(model.get_submodule(encoder))["forward"] = self._hand_on
        round_linears(model, lambda: bool(getattr(self._threads, "rounded", False)))

    def prepare(self, dtype: torch.dtype) -> None:
        """Make ready for an arithmetic: rounded weights are made where they are first needed."""

    def __call__(self, hidden_TD: Tensor, dtype: torch.dtype) -> Tensor:
        """Logits, [T, V] float32, of rows [T, d] float32."""
        self._threads.hidden, self._threads.rounded = hidden_TD[None], dtype == torch.bfloat16
        # The tokens are counted, and not looked at.
        ids = torch.ones((1, len(hidden_TD)), dtype=torch.int64, device=hidden_TD.device)
        try:
            logits: Tensor = self._model(input_ids=ids, attention_mask=ids).logits
        finally:
            self._threads.hidden, self._threads.rounded = None, False
        return logits[0].float()

    def best(self, hidden_TD: Tensor, dtype: torch.dtype) -> tuple[Tensor, Tensor]:
        """The likeliest token of each row, [T], and its logit, [T]."""
        return largest(self(hidden_TD, dtype))

    def _hand_on(self, *_: Any, **__: Any) -> Any:
        """What the encoder is replaced by."""
        with importing:
            from transformers.modeling_outputs import BaseModelOutput

        return BaseModelOutput(last_hidden_state=self._threads.hidden)


def load_head(
    folder: ModelFolder, config: Any, encoder: nn.Module, inputs: Mapping[str, Any], subject: str, *, device: str
) -> HeadTemplate:
    """The head of a folder, proven on one text.

    Args:
        folder: The model.
        config: transformers' configuration.
        encoder: Its encoder, loaded.
        inputs: Arguments of a run of the encoder on one text.
        subject: What to call the model in errors.
        device: `cpu`, `cuda:0`.

    Raises:
        Headless: There is none, or it is not understood.
    """
    if not modules.has_head_class(config):
        raise Headless(f"transformers has no masked-language-model head for family {folder.family!r}")
    try:
        outline = modules.head_outline(config, subject)
        name = str(outline.base_model_prefix)
        if not _stands_beside(folder, name):
            raise Headless("its checkpoint has no masked-language-model head")
        model, report = modules.read(modules.head_class(), folder, config, subject)
    except FailedPrecondition as error:
        raise Headless(error.reason) from error
    lacking = sorted(each for each in report["missing_keys"] if not each.startswith(f"{name}."))
    if lacking:
        raise Headless(f"its checkpoint has no masked-language-model head: the tensor {lacking[0]} is not there")
    model.train(False).to(device)
    with torch.no_grad():
        expected = model(**inputs).logits
        states = encoder(**inputs)[0]
    inner = model.get_submodule(name)
    words: Any = inner.get_input_embeddings
    word = words().weight
    rows = int(word.shape[0])
    if expected.shape[-1] != rows:
        raise Headless(f"its head scores {expected.shape[-1]} tokens, where its word table has {rows}")
    beside = {id(tensor) for key, tensor in _named(model) if not key.startswith(f"{name}.")}
    for tensor in (*inner.parameters(), *inner.buffers()):
        if tensor is not word and id(tensor) not in beside:
            tensor.data = tensor.data.new_empty(0)
    for parameter in model.parameters():
        # A copy: the file may be mapped, and weights must not change when somebody writes over it.
        parameter.data = parameter.data.clone()
        parameter.requires_grad_(False)
    template = HeadTemplate(model, name, rows)
    table: Any = encoder.get_input_embeddings
    with torch.no_grad():
        ours = template.head(table().weight)(states[0], torch.float32)
    if float((ours - expected[0]).abs().max()) > TOLERANCE * max(1.0, float(expected.abs().max())):
        raise Headless("its head gives other scores for the encoder's last hidden state than the whole model does")
    word.data = word.data.new_empty(0)
    return template


def _named(model: nn.Module) -> Sequence[tuple[str, Tensor]]:
    """All tensors of a model under all of their names."""
    return [*model.named_parameters(remove_duplicate=False), *model.named_buffers(remove_duplicate=False)]


def _stands_beside(folder: ModelFolder, encoder: str) -> bool:
    """Whether tensors of the checkpoint stand beside those of the encoder, as those of a head do."""
    names: set[str] = set()
    for path in folder.weights:
        with safe_open(str(path), framework="pt", device="cpu") as file:
            names.update(file.keys())
    within = {each for each in names if each.startswith(f"{encoder}.")}
    return bool(within) and within != names

"""What an encoder of transformers is trained with: its dropout, and the tensors that its hidden states depend on."""

import copy
from collections.abc import Mapping
from typing import Any, Final

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.overrides import TorchFunctionMode

from services.models.general.loading import Base, arguments, twin, word_rows
from services.models.general.proof import TOLERANCE
from services.models.general.taps import Taps
from services.models.spec import TokenizedText
from services.runtime.errors import FailedPrecondition

_LENGTHS: Final = (11, 5)
"""Tokens of the texts that are tried out; the second is padded where texts may be."""


def with_dropout(config: Any, rate: float | None) -> Any:
    """A configuration with its dropout at one rate, and without LayerDrop, under which layers have no hidden states.

    Args:
        config: transformers' configuration; left as it was.
        rate: Probability of all places where the family drops numbers; the configuration's own where None.
    """
    changed = copy.deepcopy(config)
    for name, value in config.to_dict().items():
        if "layerdrop" in name:
            setattr(changed, name, 0.0)
        elif rate is not None and "drop" in name and type(value) in (int, float):
            setattr(changed, name, rate)
    return changed


def reached(base: Base) -> frozenset[str]:
    """Names of the tensors on which the last hidden state of some text depends: none of a pooler, nor fixed sinusoids.

    All tensors of the module want a gradient afterwards.
    """
    named = dict(base.module.named_parameters())
    for parameter in named.values():
        parameter.requires_grad_(True)
    states_BTD = _last(base, twin(base.module))
    gradients = torch.autograd.grad(states_BTD.sum(), list(named.values()), allow_unused=True)
    fixed = "position_embeddings.weight" if getattr(base.config, "sinusoidal_embeddings", False) else None
    return frozenset(
        name for name, gradient in zip(named, gradients, strict=True) if gradient is not None and name != fixed
    )


def prove_training(base: Base, subject: str) -> None:
    """Try out that a module computes in training what it does in serving, but for dropout.

    Args:
        base: The model.
        subject: What to call it in errors.

    Raises:
        FailedPrecondition: It does not: it adds noise, or its experts take fewer tokens.
    """
    with torch.no_grad():
        served = _last(base, twin(base.module).train(False))
        with _Undropped():
            trained = _last(base, twin(base.module).train(True))
    size = max(float(served.abs().max()), 1.0)
    if float((trained - served).abs().max()) > TOLERANCE * size:
        raise FailedPrecondition(
            subject,
            "transformers computes other hidden states with it in training than in serving, by more than dropout, so "
            "that it would be trained for others than are served",
        )


def _last(base: Base, module: nn.Module) -> Tensor:
    """The last hidden state of some made-up texts, [B, T, d], by a module without hooks, which gets some."""
    usable = [token for token in range(word_rows(base.module)) if token != base.padding]
    language = None if base.languages is None else min(base.languages.codes.values())
    texts = []
    for length in _LENGTHS if base.padded else _LENGTHS[:1]:
        ids, nowhere = np.resize(np.array(usable[:32]), length), np.zeros(length, dtype=np.int32)
        special = np.zeros(length, dtype=bool)
        texts.append(TokenizedText(ids, special, nowhere, nowhere, False, length, language=language))
    states: list[Tensor] = []
    last = base.structure.layers

    def keep(layer: int, hidden_BTD: Tensor) -> Tensor:
        if layer == last:
            states.append(hidden_BTD)
        return hidden_BTD

    inputs = arguments(texts, base.languages, base.padding, base.device)
    Taps(module, base.structure.sites).run(inputs, keep, last)
    mask_BT: Tensor = inputs["attention_mask"]
    return states[0][:, : mask_BT.shape[1]] * mask_BT[..., None]


class _Undropped(TorchFunctionMode):
    """Switches dropout off wherever PyTorch's own functions draw it, though a module is in training."""

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Mapping[str, Any] | None = None) -> Any:
        given = dict(kwargs or {})
        if func in (functional.dropout, torch.dropout):
            return args[0] if args else given["input"]
        if func is functional.scaled_dot_product_attention:
            if len(args) > 4:
                args = (*args[:4], 0.0, *args[5:])
            else:
                given["dropout_p"] = 0.0
        return func(*args, **given)

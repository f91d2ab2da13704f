"""What must be true of an encoder that is run with hooks, tried out when it is loaded."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

import torch
from torch import Tensor

from services.models.general.structure import Structure, Unfit, reported_states
from services.models.general.taps import Taps

Inputs = Callable[[Sequence[Sequence[int]]], Mapping[str, Any]]
"""Token ids of some texts to keyword arguments of the module, padded on the right."""

TOLERANCE: Final = 1e-4
"""Largest difference, against the size of the hidden states, that is put down to rounding: deep models in float32 come
near a tenth of it, and a model that sees padding or other texts is far above it."""
_LENGTHS: Final = (24, 7, 3)


def prove(taps: Taps, structure: Structure, inputs: Inputs, probe: Sequence[int]) -> bool:
    """Try out that hidden states are what they seem, and whether texts may be padded.

    Args:
        taps: The hooked encoder.
        structure: What was found in it.
        inputs: Makes the arguments of a run.
        probe: At least 32 token ids, none of them the padding token.

    Returns:
        Whether a text in a padded batch has the hidden states that it has alone. Where it does not (convolutions that
        see the padding, attention that depends on the length), only texts of equal length may share a batch.

    Raises:
        Unfit: The hooks see, or change, something else than the model's hidden states; results depend on chance or on
            other texts; or earlier tokens do not see later ones.
    """
    text = probe[:11]
    expected = reported_states(taps.module, inputs([text]))
    seen = _states(taps, inputs([text]))
    for layer, (ours, theirs) in enumerate(zip(seen, expected, strict=True)):
        if not torch.equal(ours[:, : theirs.shape[1]], theirs):
            raise Unfit(f"hidden state {layer} differs between two runs, or from what the model reports")
    _prove_cut(taps, structure, inputs([probe[16:27]]), seen)
    other = [*text[:-1], probe[30]]
    last = _states(taps, inputs([other]))[-1]
    if torch.equal(last[:, 0], seen[-1][:, 0]):
        raise Unfit("its first token does not see the last one, as in a decoder, and only encoders are served")
    twice = _states(taps, inputs([text, other]))
    if not all(_near(both[:1], alone) for both, alone in zip(twice, seen, strict=True)):
        raise Unfit("the hidden states of a text depend on other texts of its batch")
    texts = [probe[:length] for length in _LENGTHS]
    together = _states(taps, inputs(texts))
    for place, one in enumerate(texts):
        alone = _states(taps, inputs([one]))
        if not all(
            _near(padded[place : place + 1, : len(one)], plain[:, : len(one)])
            for padded, plain in zip(together, alone, strict=True)
        ):
            return False
    return True


def _prove_cut(taps: Taps, structure: Structure, inputs: Mapping[str, Any], states: Sequence[Tensor]) -> None:
    """Make sure that what is put in place of a hidden state is all that later layers see of it.

    Another text is run, and each of its hidden states is replaced by that of the first: the next must then be that of
    the first as well.
    """
    failed: list[int] = []

    def replace(layer: int, hidden: Tensor) -> Tensor:
        if layer > 0 and not torch.equal(hidden, states[layer]):
            failed.append(layer)
        return states[layer].clone()

    with torch.no_grad():
        taps.run(inputs, replace, structure.layers)
    if failed:
        raise Unfit(
            f"its block {failed[0]} sees more than hidden state {failed[0] - 1}, so that edits would miss a part"
        )


def _states(taps: Taps, inputs: Mapping[str, Any]) -> list[Tensor]:
    """Hidden states 0..L as the hooks see them."""
    seen: list[Tensor] = []

    def keep(_: int, hidden: Tensor) -> Tensor:
        seen.append(hidden.clone())
        return hidden

    with torch.no_grad():
        taps.run(inputs, keep, taps.layers)
    if len(seen) != taps.layers + 1:
        raise Unfit(f"Expected {taps.layers + 1} hidden states in a run, but {len(seen)} passed the hooks")
    return seen


def _near(ours: Tensor, theirs: Tensor) -> bool:
    size = max(float(theirs.abs().max()), 1.0)
    return float((ours - theirs).abs().max()) <= TOLERANCE * size

"""What a plan must be before anything is loaded, and the fingerprint by which a run knows its own state."""

import hashlib
import json
import math
from collections.abc import Sequence
from dataclasses import asdict, replace
from typing import Final

import numpy as np

from services.runtime.errors import InvalidArgument
from services.trainer.alignment.adversary import check_adversary
from services.trainer.data.order import MOST_EPOCHS
from services.trainer.data.pieces import Piece
from services.trainer.evaluation.forward import TYPES
from services.trainer.training.plan import FineTunePlan, Frozen, Optimisation

_Bound = tuple[str, float | None, float, float, bool]
"""A field, its value, the least and the largest one, and whether the least is itself allowed."""

MOST_STEPS: Final = 100_000_000
"""Optimiser steps of a run."""

_COURSES = ("linear", "inverse_sqrt", "constant")


def check(plan: FineTunePlan) -> None:
    """Refuse a plan that cannot be carried out, whatever the model and the data.

    Raises:
        InvalidArgument: Names the field, what was expected and what was got.
    """
    if not plan.train:
        raise InvalidArgument("train", "Expected at least one training set, but got none")
    check_optimisation(plan.optimisation)
    if plan.adversary is not None:
        check_adversary(plan.adversary)
        if not plan.unlabelled:
            raise InvalidArgument("adversary.unlabelled", "Expected a set of a target language, but got none")
    _check_bounds((("max_tokens", plan.max_tokens, 0, math.inf, True), ("threads", plan.threads, 0, math.inf, True)))


def check_frozen_layers(frozen: Frozen, lowest: Sequence[int]) -> None:
    """Refuse to freeze more layers than a model has, or some of those that share a block.

    Args:
        frozen: What is frozen.
        lowest: For each layer of the model, from 1, the first one that shares its block.

    Raises:
        InvalidArgument: Names the layers that the model has or that share a block, and the number.
    """
    layers = len(lowest)
    if not 0 <= frozen.layers <= layers:
        raise InvalidArgument("frozen.layers", f"Expected a number within 0..{layers}, but got {frozen.layers}")
    for layer in range(frozen.layers + 1, layers + 1):
        if lowest[layer - 1] <= frozen.layers:
            raise InvalidArgument(
                "frozen.layers",
                f"Expected all layers that share a block, but got {frozen.layers}: layer {layer} shares that of "
                f"layer {lowest[layer - 1]}",
            )


def check_optimisation(how: Optimisation) -> None:
    """Refuse settings of the optimiser that no run can have.

    Raises:
        InvalidArgument: Names the field, what was expected and what was got.
    """
    bounds: tuple[_Bound, ...] = (
        ("optimisation.learning_rate", how.learning_rate, 0, math.inf, False),
        ("optimisation.head_learning_rate", how.head_learning_rate, 0, math.inf, False),
        ("optimisation.epochs", how.epochs, 0, math.inf, False),
        ("optimisation.max_steps", how.max_steps, 0, MOST_STEPS, True),
        ("optimisation.step_tokens", how.step_tokens, 1, math.inf, True),
        ("optimisation.accumulation", how.accumulation, 1, math.inf, True),
        ("optimisation.warmup", how.warmup, 0, 1, True),
        ("optimisation.weight_decay", how.weight_decay, 0, math.inf, True),
        ("optimisation.clip", how.clip, 0, math.inf, True),
        ("optimisation.dropout", how.dropout, 0, 1, True),
        ("optimisation.evaluations", how.evaluations, 1, math.inf, True),
        ("optimisation.patience", how.patience, 0, math.inf, True),
        ("optimisation.workers", how.workers, 1, math.inf, True),
    )
    _check_bounds(bounds)
    if how.epochs > MOST_EPOCHS and not how.max_steps:
        raise InvalidArgument(
            "optimisation.epochs", f"Expected at most {MOST_EPOCHS} without `max_steps`, but got {how.epochs:g}"
        )
    if how.dropout == 1:
        raise InvalidArgument("optimisation.dropout", "Expected a number below 1, but got 1")
    for field, choice, allowed in (
        ("optimisation.course", how.course, _COURSES),
        ("optimisation.dtype", how.dtype, tuple(TYPES)),
    ):
        if choice not in allowed:
            raise InvalidArgument(field, f"Expected one of {', '.join(allowed)}, but got {choice!r}")


def _check_bounds(bounds: Sequence[_Bound]) -> None:
    for field, value, low, high, inclusive in bounds:
        if value is None:
            continue
        if not math.isfinite(value) or value > high or value < low or (value == low and not inclusive):
            expected = f"{'from' if inclusive else 'above'} {low}" + (f" to {high}" if math.isfinite(high) else "")
            raise InvalidArgument(field, f"Expected a number {expected}, but got {value}")


def fingerprint(plan: FineTunePlan, model: str, pieces: Sequence[Piece], unlabelled: Sequence[Piece] = ()) -> str:
    """SHA-256 over all that determines a run's numbers but for the device, its threads and the workers.

    Args:
        plan: The plan.
        model: Digest of the model before training.
        pieces: The training set.
        unlabelled: Texts of target languages.
    """
    said = asdict(replace(plan, edits=(), threads=0)) | {"optimisation": plan.optimisation.described()}
    digest = hashlib.sha256(json.dumps(said, sort_keys=True).encode())
    digest.update(model.encode())
    for edit in plan.edits:
        digest.update(edit.digest.encode())
    for piece in pieces:
        digest.update(np.array([piece.example, len(piece.text), len(piece.rows), piece.count]).tobytes())
        digest.update(piece.text.ids.tobytes())
        digest.update(piece.rows.tobytes())
        if piece.text.language is not None:
            digest.update(str(piece.text.language).encode())
        for name in sorted(piece.targets):
            digest.update(piece.targets[name].tobytes())
    for piece in unlabelled:
        digest.update(piece.text.ids.tobytes())
        if piece.text.language is not None:
            digest.update(str(piece.text.language).encode())
    return digest.hexdigest()

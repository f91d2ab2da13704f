"""The interventions that belong to a fine-tuned model: those of its training, its transform layer among them.

interventions.safetensors holds their arrays, `0.matrix`, `0.bias`, `1.vector`; `task.json` says the rest of each.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError
from safetensors.numpy import load_file, save_file

from services.models.spec import Edit
from services.runtime.errors import FailedPrecondition
from services.trainer.alignment.edits import LanguageEdit

EDITS_FILE: Final = "interventions.safetensors"
_ARRAYS: Final = ("vector", "matrix", "bias")
_SETTINGS: Final = ("layer", "alpha", "vector_positions", "matrix_positions")

Described = tuple[Mapping[str, Any], ...]
"""What `task.json` says of interventions besides their arrays."""


def describe_edits(edits: Sequence[LanguageEdit]) -> Described:
    """Layer, language, positions and arrays of each."""
    return tuple(
        {
            **{name: getattr(each.edit, name) for name in _SETTINGS},
            "language": each.language,
            "arrays": [role for role in _ARRAYS if getattr(each.edit, role) is not None],
        }
        for each in edits
    )


def write_edits(folder: Path, edits: Sequence[LanguageEdit]) -> None:
    """Write the arrays; nothing where there are no edits."""
    arrays = edit_arrays(edits)
    if arrays:
        save_file(arrays, folder / EDITS_FILE)


def edit_arrays(edits: Sequence[LanguageEdit]) -> dict[str, NDArray[Any]]:
    """The arrays of interventions by place and role: `0.matrix`."""
    return {
        f"{place}.{role}": np.ascontiguousarray(getattr(each.edit, role))
        for place, each in enumerate(edits)
        for role in _ARRAYS
        if getattr(each.edit, role) is not None
    }


def make_edits(described: Described, arrays: Mapping[str, NDArray[Any]]) -> tuple[LanguageEdit, ...]:
    """Interventions from what `describe_edits` and `edit_arrays` gave.

    Raises:
        KeyError: Something is missing.
    """
    return tuple(
        LanguageEdit(
            Edit(
                **{name: each[name] for name in _SETTINGS},
                **dict[str, Any]({role: arrays[f"{place}.{role}"] for role in each["arrays"]}),
            ),
            each["language"],
        )
        for place, each in enumerate(described)
    )


def read_edits(folder: Path, described: Described, subject: str) -> tuple[LanguageEdit, ...]:
    """The interventions of a checkpoint.

    Raises:
        FailedPrecondition: The arrays are damaged, or are not those that were described.
    """
    if not described:
        return ()
    try:
        return make_edits(described, load_file(folder / EDITS_FILE))
    except (OSError, SafetensorError, KeyError, TypeError) as error:
        raise FailedPrecondition(subject, f"its interventions do not load: {error}") from error

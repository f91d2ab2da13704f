"""Interventions of a job, whose arrays are in the store, as the model takes them."""

from collections.abc import Iterator, Sequence
from typing import Any, Final

from services.models.artifacts import Objects, read_array
from services.models.spec import ArrayOrigin, Edit
from services.trainer.alignment.stored import StoredEdit

_PLACES: Final = {"vector": "shift.vector", "matrix": "linear_map.matrix", "bias": "linear_map.bias"}
"""Arrays of an edit, and their paths in an intervention."""


def read_edits(store: Objects, stored: Sequence[StoredEdit]) -> tuple[Edit, ...]:
    """Reads the arrays of interventions, with the models that they were computed with.

    Args:
        store: Store that holds the arrays.
        stored: The interventions, in order.

    Raises:
        ServiceError: As `read_array`.
    """
    return tuple(_read(store, each, f"edits[{place}]") for place, each in enumerate(stored))


def _read(store: Objects, stored: StoredEdit, field: str) -> Edit:
    arrays: dict[str, Any] = {}
    origins: list[ArrayOrigin] = []
    for role, place, name in _named(stored):
        found = read_array(store, name, role, f"{field}.{place}", stored.layer)
        arrays[role] = found.array
        if found.digest:
            origins.append(ArrayOrigin(place, found.digest, found.model))
    return Edit(
        stored.layer,
        alpha=stored.alpha,
        vector_positions=stored.vector_positions,
        matrix_positions=stored.matrix_positions,
        origins=() if stored.allow_other_model else tuple(origins),
        **arrays,
    )


def _named(stored: StoredEdit) -> Iterator[tuple[str, str, str]]:
    """Role, path and name of each array that there is."""
    for role, place in _PLACES.items():
        if name := getattr(stored, role):
            yield role, place, name

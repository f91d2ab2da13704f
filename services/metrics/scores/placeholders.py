"""Gold that is none: public test sets whose labels were replaced by one constant (XTREME, Hu et al. 2020)."""

from collections.abc import Sequence
from typing import Final

from services.runtime.errors import InvalidArgument

LEAST: Final = 20
"""Fewer labels than this may all be equal by chance."""


def refuse_constant(labels: Sequence[str], what: str) -> None:
    """Refuses gold that is the same everywhere.

    Args:
        labels: All gold labels.
        what: What they are, plural.

    Raises:
        InvalidArgument: There are `LEAST` or more, all equal.
    """
    if len(labels) >= LEAST and len(set(labels)) == 1:
        raise InvalidArgument(
            "items",
            f"Expected gold {what} of at least 2 kinds, but all {len(labels)} are {labels[0]!r}: these look like the "
            "placeholders of a public test set, which cannot be scored",
        )

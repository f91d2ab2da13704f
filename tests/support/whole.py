"""A part of much data, spread over all of it; everything with `BABELSCOPE_WHOLE=1`, as `make soak` has it."""

import os
from collections.abc import Sequence
from typing import Final, TypeVar

Each = TypeVar("Each")

WHOLE: Final = bool(os.environ.get("BABELSCOPE_WHOLE"))


def spread(rows: Sequence[Each], every: int) -> Sequence[Each]:
    """Every so many of the rows, or all where the whole is asked for.

    Args:
        rows: Files, questions, languages.
        every: Of how many one is taken; the first is.
    """
    return rows if WHOLE else rows[::every]

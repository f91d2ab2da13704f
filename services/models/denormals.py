"""What the processor does with the smallest numbers, which some libraries change for the thread that calls them.

Below 1.2e-38 (float32) and 2.2e-308 (float64) numbers are denormal. A thread can be set to treat them as 0, which is
faster and less exact. New threads inherit the setting of the thread that starts them, so that one library's choice
reaches code that never asked for it.
"""

from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import torch


def flushes_denormals() -> bool:
    """Whether this thread treats denormal numbers as 0."""
    smallest = np.array([5e-324])
    return bool((smallest + 0.0)[0] == 0.0)


@contextmanager
def denormals_kept_as_set() -> Iterator[None]:
    """Give this thread back its own setting after the block, whatever a library has set meanwhile."""
    before = flushes_denormals()
    try:
        yield
    finally:
        torch.set_flush_denormal(before)

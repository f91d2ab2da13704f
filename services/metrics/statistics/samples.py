"""What every statistic asks of its input."""

from collections.abc import Sequence

import numpy as np

from services.metrics.arrays import F64
from services.runtime.errors import InvalidArgument


def sample(values: Sequence[float] | F64, field: str, least: int) -> F64:
    """A sample as an array.

    Args:
        values: Numbers.
        field: Field of the request that held the numbers, for messages.
        least: The fewest that the statistic takes.

    Returns:
        [n] float64.

    Raises:
        InvalidArgument: Too few numbers, or one that is not finite.
    """
    array = np.asarray(values, dtype=np.float64)
    if len(array) < least:
        raise InvalidArgument(field, f"Expected at least {least} numbers, but got n = {len(array)}")
    finite = np.isfinite(array)
    if not finite.all():
        at = int(np.argmin(finite))
        raise InvalidArgument(f"{field}[{at}]", f"Expected a finite number, but got {array[at]}")
    return array


def centred_and_scaled(values: F64) -> F64:
    """A sample with mean near 0 and largest magnitude 1, so that no sum or square overflows or vanishes.

    Args:
        values: [n] finite numbers, not all equal.

    Returns:
        [n] float64.
    """
    # First by a power of two, which is exact save for numbers that vanish beside the largest.
    reduced = np.ldexp(values, -int(np.frexp(np.abs(values).max())[1]))
    centred = reduced - reduced.mean()
    scaled: F64 = centred / np.abs(centred).max()
    return scaled


def draws(count: int, field: str, limit: int) -> int:
    """Checks a number of random draws.

    Raises:
        InvalidArgument: It is below 1 or above the limit.
    """
    if not 1 <= count <= limit:
        raise InvalidArgument(field, f"Expected a number of draws within 1..{limit}, but got {count}")
    return count

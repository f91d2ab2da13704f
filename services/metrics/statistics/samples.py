"""What every statistic asks of its input."""

from collections.abc import Sequence

import numpy as np

from services.metrics.arrays import F64
from services.runtime.errors import InvalidArgument


def sample(values: Sequence[float] | F64, field: str, least: int) -> F64:
    """A sample as an array.

    Args:
        values: Numbers.
        field: Where they stood in the request.
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


def draws(count: int, field: str, limit: int) -> int:
    """Checks a number of random draws.

    Raises:
        InvalidArgument: It is below 1 or above the limit.
    """
    if not 1 <= count <= limit:
        raise InvalidArgument(field, f"Expected a number of draws within 1..{limit}, but got {count}")
    return count

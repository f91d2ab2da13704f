"""The answer span of greatest score."""

import numpy as np
from numpy.typing import NDArray


def best_span(starts: NDArray[np.float32], ends: NDArray[np.float32], longest: int) -> tuple[int, int, float]:
    """The span (first, last) of greatest `starts[first] + ends[last]`; among equals the earliest, then the shortest.

    Args:
        starts: [n] scores, n >= 1.
        ends: [n] scores.
        longest: Most tokens of a span.

    Returns:
        First token, last token, and the score.
    """
    tokens = len(starts)
    reach = min(longest, tokens)
    sums = np.full((tokens, reach), -np.inf)
    for offset in range(reach):
        sums[: tokens - offset, offset] = starts[: tokens - offset].astype(np.float64) + ends[offset:]
    first, offset = divmod(int(sums.argmax()), reach)
    return first, first + offset, float(sums[first, offset])

"""Where the rows of some texts of a batch belong in its answer."""

import numpy as np
from numpy.typing import NDArray


def answer_places(members: NDArray[np.int64], offsets: NDArray[np.int64]) -> NDArray[np.int64]:
    """Row of the answer for each row of some texts.

    Args:
        members: [n] places of the texts in the batch.
        offsets: [N + 1] first row of each of the N texts of the batch in the answer, and the number of all rows.
    """
    counts = (offsets[1:] - offsets[:-1])[members]
    before = np.cumsum(counts) - counts
    return np.repeat(offsets[members] - before, counts) + np.arange(int(counts.sum()))

"""The mean over all tokens of a corpus, by layer: R(L, l) of Liu et al. 2020, section 4.

Each text comes as the float32 mean of its tokens, special tokens left out, with their number. Sums over texts are
float64: the mean of a corpus is as exact as that of its texts, however long it is.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray


class LayerSums:
    """Sums over the tokens of a corpus.

    Args:
        layers: K.
        width: d.

    Attributes:
        tokens: Tokens summed.
        texts: Texts that they come from.
    """

    def __init__(self, layers: int, width: int) -> None:
        self.tokens = self.texts = 0
        self._sums = np.zeros((layers, width))

    def add(self, means: NDArray[np.float32], counts: Sequence[int]) -> None:
        """Takes some texts in.

        Args:
            means: [n, K, d], mean of each text's tokens.
            counts: Tokens of each, [n].
        """
        weights = np.asarray(counts, dtype=np.float64)
        self._sums += np.tensordot(weights, means.astype(np.float64), 1)
        self.tokens += int(weights.sum())
        self.texts += len(weights)

    def means(self) -> NDArray[np.float64]:
        """[K, d], the mean over all tokens.

        Raises:
            ValueError: There are none.
        """
        if not self.tokens:
            raise ValueError("Expected at least one token, but got none")
        return self._sums / self.tokens

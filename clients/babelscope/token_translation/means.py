"""R(L, l), the mean of all hidden states of a language at a layer (Liu et al. 2020, section 4.1.1)."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from babelscope.data.activations import Progress
from babelscope.data.models import Model
from babelscope.data.texts import Text


@dataclass(frozen=True, slots=True, eq=False)
class LanguageMean:
    """The means of one language.

    Attributes:
        layers: Layers, in the order of axis 0.
        vectors: [layers, d] float64, over all tokens of the corpus that are not special.
        tokens: Tokens averaged.
        texts: Texts they come from.
        model_digest: Digest of the weights.
    """

    layers: tuple[int, ...]
    vectors: NDArray[np.float64]
    tokens: int
    texts: int
    model_digest: str

    def shift_to(self, other: "LanguageMean", layer: int) -> NDArray[np.float32]:
        """The mean difference shift to another language at a layer: R(other, l) - R(this, l), [d].

        Raises:
            ValueError: One of them lacks the layer, or they are of different models.
        """
        if self.model_digest != other.model_digest:
            raise ValueError(
                f"Expected means of one model, but got digests {self.model_digest} and {other.model_digest}"
            )
        for mean in (self, other):
            if layer not in mean.layers:
                raise ValueError(f"Expected one of the layers {list(mean.layers)}, but got {layer}")
        target, source = (mean.vectors[mean.layers.index(layer)] for mean in (other, self))
        return np.asarray(target - source, dtype=np.float32)


def language_mean(
    encoder: Any,
    texts: Sequence[Text],
    *,
    model: Model | str,
    layers: Sequence[int],
    overflow: str = "refuse",
    compute_dtype: str = "float32",
    progress: Callable[[Progress], None] | None = None,
) -> LanguageMean:
    """The means of a corpus, of which no more than a few texts' hidden states are held at once.

    A text's mean comes from the server; weighted by its tokens and summed in double precision, the means of texts
    give that of the corpus.

    Args:
        encoder: A client of the encoder.
        texts: The corpus.
        model: The weights.
        layers: Layers.
        overflow: Treatment of texts of too many tokens: `refuse` or `truncate`.
        compute_dtype: Arithmetic of the model.
        progress: Function that is called after every block.

    Raises:
        ValueError: There are no texts.
        RpcError: What the server answers.
    """
    if not texts:
        raise ValueError("Expected at least one text to average, but got none")
    # The tokenizer puts as many special tokens around every text.
    special = sum(encoder.tokenize(texts[:1], model=model, overflow=overflow)[0].special)
    total: Any = 0.0
    tokens = done = 0
    options = {"model": model, "layers": layers, "overflow": overflow, "compute_dtype": compute_dtype}
    with encoder.stream(texts, pooling="mean", **options) as stream:
        for block in stream:
            counts = np.array([item.tokens - special for item in block.items])
            total = total + np.einsum("n,nld->ld", counts, block.array, dtype=np.float64)
            tokens += int(counts.sum())
            done += len(block.items)
            if progress is not None:
                progress(Progress("means", done, len(texts)))
        info = stream.info
    return LanguageMean(tuple(info.layers), total / tokens, tokens, len(texts), info.model.digest)

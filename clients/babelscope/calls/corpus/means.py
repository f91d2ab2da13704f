"""Means over all tokens of a corpus, and the shift from one language to another (Liu et al. 2020, section 4)."""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Self

import numpy as np
from numpy.typing import NDArray

from babelscope.data.atomic import whole
from babelscope.data.models import Intervention, Positions, Shift
from babelscope.data.npz import read_npz


@dataclass(frozen=True, slots=True, eq=False)
class LayerMeans:
    """R(L, l): means over all tokens of a corpus, special tokens left out.

    Args:
        layers: K layers.
        array: [K, d] float64.
        tokens: Tokens averaged, n.
        texts: Texts they come from.
        truncated: Texts that were cut.
        model_digest: SHA-256 of the weights behind the numbers.
        artifact: Name in the store, `vectors/ID`; empty where they were merged or read from a file.
    """

    layers: tuple[int, ...]
    array: NDArray[np.float64]
    tokens: int
    texts: int
    truncated: int = 0
    model_digest: str = ""
    artifact: str = ""

    def layer(self, layer: int) -> NDArray[np.float64]:
        """The mean at one layer, [d].

        Raises:
            ValueError: The layer is not among them.
        """
        if layer not in self.layers:
            raise ValueError(f"Expected `layer` to be one of {list(self.layers)}, but got {layer}")
        row: NDArray[np.float64] = self.array[self.layers.index(layer)]
        return row

    @classmethod
    def merge(cls, shards: Iterable[Self]) -> "LayerMeans":
        """The means of a corpus from those of its shards.

        Raises:
            ValueError: There is none, or they are of different models or layers.
        """
        parts = list(shards)
        if not parts:
            raise ValueError("Expected at least one shard, but got none")
        for part in parts:
            if (part.layers, part.model_digest) != (parts[0].layers, parts[0].model_digest):
                raise ValueError("Expected shards of one model and the same layers, but they differ")
        tokens = sum(part.tokens for part in parts)
        array = sum((part.array * (part.tokens / tokens) for part in parts), np.zeros_like(parts[0].array))
        return LayerMeans(
            parts[0].layers,
            array,
            tokens,
            sum(part.texts for part in parts),
            sum(part.truncated for part in parts),
            parts[0].model_digest,
        )

    def save(self, path: str | Path) -> None:
        """Writes the means as a NumPy .npz file, whole or not at all."""
        with whole(Path(path)) as file:
            np.savez(
                file,
                means=self.array,
                layers=np.array(self.layers),
                tokens=np.array(self.tokens),
                texts=np.array(self.texts),
                truncated=np.array(self.truncated),
                model_digest=np.array(self.model_digest),
                artifact=np.array(self.artifact),
            )

    @classmethod
    def load(cls, path: str | Path) -> "LayerMeans":
        """Reads what `save` wrote.

        Raises:
            ValueError: It is no such file.
            OSError: The file cannot be read.
        """
        found = read_npz(path)
        try:
            means = cls(
                tuple(found["layers"].tolist()),
                np.asarray(found["means"], np.float64),
                int(found["tokens"]),
                int(found["texts"]),
                int(found["truncated"]),
                str(found["model_digest"]),
                str(found["artifact"]),
            )
        except KeyError as error:
            raise ValueError(f"Expected means by layer in {path}, but it has no {error}") from None
        except (TypeError, ValueError) as error:
            raise ValueError(f"Expected means by layer in {path}, but got: {error}") from None
        if means.array.ndim != 2 or len(means.array) != len(means.layers):
            raise ValueError(f"Expected means as [layers, d] in {path}, but got {list(means.array.shape)}")
        return means


def shift(
    source: LayerMeans | str,
    target: LayerMeans | str,
    layer: int,
    alpha: float = 1.0,
    *,
    positions: Positions | None = None,
    allow_other_model: bool = False,
) -> Intervention:
    """The edit that moves hidden states from the mean of one language to that of another: alpha (R(T, l) - R(S, l)).

    Args:
        source: Means of the language that texts are in, or their name in the store.
        target: Means of the language to move to, or their name.
        layer: Layer of the edit.
        alpha: Factor of the difference.
        positions: Positions touched; the non-special ones where None.
        allow_other_model: Whether the shift may be applied to another model than that of the means.

    Raises:
        ValueError: Means of different models, or without that layer.
    """
    if isinstance(source, LayerMeans) and isinstance(target, LayerMeans):
        if source.model_digest != target.model_digest:
            raise ValueError("Expected the means of one model, but they are of two")
        difference = target.layer(layer) - source.layer(layer)
        moved = Shift(difference, alpha, positions, model_digest=source.model_digest)
        return Intervention(layer, moved, allow_other_model=allow_other_model)
    vector, origin = (each if isinstance(each, str) else each.layer(layer) for each in (target, source))
    digest = next((each.model_digest for each in (source, target) if isinstance(each, LayerMeans)), "")
    return Intervention(layer, Shift(vector, alpha, positions, origin, digest), allow_other_model=allow_other_model)

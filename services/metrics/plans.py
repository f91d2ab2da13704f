"""What a request asks for, checked: views, pairs, layers, measures."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from services.metrics.similarity import Options
from services.metrics.treatments import NO_PREPROCESSING, Preprocessing
from services.runtime.errors import InvalidArgument

Alignment = Literal["strict", "intersect"]
Pairing = Literal["same", "all"]


@dataclass(frozen=True)
class ViewPlan:
    """One view of a request.

    Args:
        name: Unique within the request.
        layers: That its rows hold, in order; of a view to be encoded those asked for, all where empty.
        encoded: Whether the encoder makes its rows.
        pooling: In a word, for the signature; empty for pushed rows.
        dtype: Arithmetic behind the rows, for the signature.
    """

    name: str
    layers: tuple[int, ...]
    encoded: bool
    pooling: str = ""
    dtype: str = ""


@dataclass(frozen=True)
class StudyPlan:
    """What every request over several views has.

    Args:
        views: In order.
        pairs: Indices of views, left and right.
        pairing: Which layers meet.
        alignment: What to do with ids that one side lacks.
    """

    views: tuple[ViewPlan, ...]
    pairs: tuple[tuple[int, int], ...]
    pairing: Pairing
    alignment: Alignment

    def field(self, index: int) -> str:
        """Path of a view in the request."""
        return f"spec.views[{index}]"


@dataclass(frozen=True)
class ComparePlan(StudyPlan):
    """A comparison.

    Args:
        measures: With their options.
        preprocessing: What is done to the rows first.
        keep_state: Keep the sums, so that other shards of the corpus can be joined to them.
    """

    measures: tuple[Options, ...]
    preprocessing: Preprocessing = NO_PREPROCESSING
    keep_state: bool = False


@dataclass(frozen=True)
class RetrievePlan(StudyPlan):
    """A retrieval.

    Args:
        similarities: `cosine`, `csls`.
        csls_k: Neighbours of CSLS.
        ranks: Of precision.
        centre: Subtract each view's mean first.
        gold: Right answers come as pairs of ids, and all rows are candidates.
        index: `exact`, or the kind of an approximate index.
    """

    similarities: tuple[str, ...]
    csls_k: int
    ranks: tuple[int, ...]
    centre: bool
    gold: bool = False
    index: str = "exact"


def layer_pairs(left: ViewPlan, right: ViewPlan, pairing: Pairing) -> list[tuple[int, int]]:
    """Which layers of two views meet.

    Args:
        left: With its layers resolved.
        right: With its layers resolved.
        pairing: `same` or `all`.

    Raises:
        InvalidArgument: `same`, and the views do not hold the same layers.
    """
    if pairing == "all":
        return [(i, j) for i in left.layers for j in right.layers]
    if set(left.layers) != set(right.layers):
        raise InvalidArgument(
            "spec.views.layers",
            f"Expected views {left.name!r} and {right.name!r} to hold the same layers under the pairing SAME, "
            f"but got {_listed(left.layers)} and {_listed(right.layers)}",
        )
    return [(layer, layer) for layer in left.layers]


def _listed(layers: Sequence[int]) -> str:
    return "none" if not layers else ", ".join(map(str, layers))

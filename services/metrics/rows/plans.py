"""What a request over several views asks for, checked: views, their pairs, and the layers that meet."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from services.runtime.errors import InvalidArgument

Alignment = Literal["strict", "intersect"]
LayerPairing = Literal["same", "all"]


@dataclass(frozen=True)
class ViewPlan:
    """One view of a request.

    Args:
        name: Unique within the request.
        layers: That its rows hold, in order; of a view to be encoded those asked for, all where empty.
        encoded: Whether the encoder makes its rows.
        pooling: In a word, for the signature; empty for pushed rows.
        dtype: Arithmetic behind the rows, for the signature.
        edits: Layers at which hidden states are edited with a digest of the edits, `8@1f2e3d4c5b6a`, for the
            signature; empty where there are none.
    """

    name: str
    layers: tuple[int, ...]
    encoded: bool
    pooling: str = ""
    dtype: str = ""
    edits: str = ""


@dataclass(frozen=True)
class StudyPlan:
    """What every request over several views has.

    Args:
        views: In order.
        pairs: Indices of views, left and right.
        pairing: Rule that says which layers of two views are compared.
        alignment: Treatment of ids that one side lacks.
    """

    views: tuple[ViewPlan, ...]
    pairs: tuple[tuple[int, int], ...]
    pairing: LayerPairing
    alignment: Alignment

    def field(self, index: int) -> str:
        """Path of a view in the request."""
        return f"spec.views[{index}]"


def edits_of(views: Sequence[ViewPlan]) -> str:
    """What a signature says of the edits of hidden states of some views: empty where none has any."""
    return "/".join(dict.fromkeys(view.edits or "none" for view in views)) if any(view.edits for view in views) else ""


def layer_pairs(left: ViewPlan, right: ViewPlan, pairing: LayerPairing) -> list[tuple[int, int]]:
    """Which layers of two views meet.

    Args:
        left: The left view, with its layers resolved.
        right: The right view, with its layers resolved.
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

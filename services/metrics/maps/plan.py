"""What a request for a map asks for, checked."""

from dataclasses import dataclass
from typing import Any

from services.metrics.maps.base import Method
from services.metrics.maps.registry import Common
from services.metrics.rows.plans import StudyPlan


@dataclass(frozen=True)
class MapPlan(StudyPlan):
    """A map from the first view to the second, at every layer that they share.

    Args:
        method: Fits it.
        options: Options of the method, an instance of its `Options`.
        common: Options of all methods.
        seed: Seed of all random draws.
        seeds: Known translations, source and target id.
    """

    method: Method
    options: Any
    common: Common
    seed: int = 0
    seeds: tuple[tuple[str, str], ...] = ()

    def field(self, index: int) -> str:
        """Path of a view in the request."""
        return "spec.target" if index else "spec.source"

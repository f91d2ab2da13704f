"""What two answers have in common is seen after normalisation: one file a normaliser."""

from services.metrics.scores.normalisers.base import Normaliser
from services.metrics.scores.normalisers.registry import NORMALISERS, default_for

__all__ = ["NORMALISERS", "Normaliser", "default_for"]

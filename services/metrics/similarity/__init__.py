"""Measures of similarity: one file a family, and the registry by which requests name them."""

from services.metrics.similarity.measure import Measure, Measured, Options
from services.metrics.similarity.registry import MEASURES

__all__ = ["MEASURES", "Measure", "Measured", "Options"]

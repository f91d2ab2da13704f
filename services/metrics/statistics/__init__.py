"""Statistics on numbers that have been measured: correlation, analysis of variance, comparison of two systems."""

from services.metrics.statistics.anova import Anova, anova
from services.metrics.statistics.correlation import METHODS, Correlation, correlate
from services.metrics.statistics.systems import Difference, compare_systems

__all__ = ["METHODS", "Anova", "Correlation", "Difference", "anova", "compare_systems", "correlate"]

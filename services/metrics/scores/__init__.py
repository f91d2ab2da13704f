"""Scores of predicted against gold text, spans, tags, trees and labels."""

from services.metrics.scores.registry import SCORES, make

__all__ = ["SCORES", "make"]

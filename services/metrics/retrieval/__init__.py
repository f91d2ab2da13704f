"""Nearest-neighbour retrieval: exact ranks in both directions from one pass over tiles.

Cosine and CSLS (Lample et al. 2018, equation 3, k = 10). Scores are computed in float32 tiles and never kept; a
candidate whose score lies within the rounding of the right answer's is scored again in float64, so that ranks are those
of float64. Ties count against the query: where it has one right answer the rank is the number of candidates that score
at least as high, and where it has several, that of the best, the others left out.
"""

from services.metrics.retrieval.engine import Ranks, Retrieved, hits, reciprocal, retrieve
from services.metrics.retrieval.gold import Coverage, Gold, locate

__all__ = ["Coverage", "Gold", "Ranks", "Retrieved", "hits", "locate", "reciprocal", "retrieve"]

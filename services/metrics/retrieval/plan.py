"""What a retrieval asks for, checked."""

from dataclasses import dataclass

from services.metrics.rows.plans import StudyPlan


@dataclass(frozen=True)
class RetrievePlan(StudyPlan):
    """A retrieval.

    Args:
        similarities: `cosine`, `csls`.
        csls_k: Neighbours of CSLS.
        ranks: Ranks k of P@k.
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

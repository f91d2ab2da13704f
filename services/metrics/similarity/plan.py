"""What a comparison asks for, checked."""

from dataclasses import dataclass

from services.metrics.rows.plans import StudyPlan
from services.metrics.rows.treatments import NO_PREPROCESSING, Preprocessing
from services.metrics.similarity.measure import Options


@dataclass(frozen=True)
class ComparePlan(StudyPlan):
    """A comparison.

    Args:
        measures: Measures with their options.
        preprocessing: What is done to the rows first.
        keep_state: Keep the sums, so that other shards of the corpus can be joined to them.
    """

    measures: tuple[Options, ...]
    preprocessing: Preprocessing = NO_PREPROCESSING
    keep_state: bool = False

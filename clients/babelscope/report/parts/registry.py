"""The parts of the report, in the order of the page."""

from typing import Final

from babelscope.report.parts import (
    aligned_fine_tuning,
    anova,
    emergence,
    fine_tuned,
    fine_tuning,
    gap,
    layer_grids,
    maps,
    projection,
    scores,
    spans,
    token_translation,
    transfer,
    words,
)
from babelscope.report.parts.base import Part

PARTS: Final[tuple[Part, ...]] = (
    emergence.PART,
    fine_tuning.PART,
    fine_tuned.PART,
    gap.PART,
    aligned_fine_tuning.PART,
    layer_grids.PART,
    projection.PART,
    words.PART,
    maps.PART,
    token_translation.PART,
    transfer.PART,
    spans.PART,
    scores.PART,
    anova.PART,
)

"""The parts of the report, in the order of the page."""

from typing import Final

from babelscope.report.parts import (
    anova,
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

"""The sections of a study in the order in which they are asked: later ones may use what earlier ones found."""

from typing import Final

from babelscope.study.sections import (
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
from babelscope.study.sections.base import Section

SECTIONS: Final[tuple[Section, ...]] = (
    layer_grids.SECTION,
    projection.SECTION,
    words.SECTION,
    maps.SECTION,
    token_translation.SECTION,
    scores.SECTION,
    transfer.SECTION,
    spans.SECTION,
    anova.SECTION,
)

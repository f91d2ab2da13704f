"""The sections of a study in the order in which they are asked: later ones may use what earlier ones found."""

from typing import Final

from babelscope.study.sections import (
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
from babelscope.study.sections.base import Section

TRAINED: Final = (fine_tuning.SECTION.key, aligned_fine_tuning.SECTION.key, emergence.SECTION.key)
"""Keys of the sections that need datagen and trainer."""
SECTIONS: Final[tuple[Section, ...]] = (
    layer_grids.SECTION,
    projection.SECTION,
    words.SECTION,
    maps.SECTION,
    token_translation.SECTION,
    scores.SECTION,
    emergence.SECTION,
    fine_tuning.SECTION,
    fine_tuned.SECTION,
    gap.SECTION,
    aligned_fine_tuning.SECTION,
    transfer.SECTION,
    spans.SECTION,
    anova.SECTION,
)

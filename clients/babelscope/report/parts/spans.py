"""Similarity of answers against transfer: all coefficients as tables, and a static figure a measure."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Final

from babelscope.report.drawing import Drawing
from babelscope.report.guide import Guide
from babelscope.report.parts import transfer
from babelscope.report.parts.base import Part
from babelscope.study.result import StudyResult
from babelscope.study.sections.spans import SECTION
from babelscope.study.sections.transfer import Correlated

_GUIDE: Final = Guide(
    "Answers and transfer",
    "Agreement between the similarity of the answers of parallel questions in two languages, each answer the mean of "
    "its pieces in its context, and the transfer from one language to the other.",
    "Each point is a pair of languages, and there are few: read the interval rather than the coefficient. SVCCA of few "
    "questions is near 1 whatever the model: compare it with its chance level.",
)


def guides(records: Sequence[Correlated]) -> list[tuple[Guide, str]]:
    """How to read it."""
    return [(_GUIDE, chance) for _, chance in transfer.guides(records)]


def drawings(records: Sequence[Correlated], result: StudyResult) -> list[Drawing]:
    """Hsu et al. 2019, figures 2 and 3: a point a pair of languages."""
    drawn = transfer.drawings(records, result)
    return [
        replace(each, name=each.name.replace(".transfer.", ".answers."), title=f"{each.title}, answers")
        for each in drawn
    ]


PART = Part(SECTION, "Answers and transfer", guides, transfer.tables, drawings=drawings)

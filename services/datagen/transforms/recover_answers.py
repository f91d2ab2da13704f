"""Answers of translated corpora found again in their translated contexts."""

import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from typing import ClassVar, Literal

from babelscope.data.examples import Answer, Example, Question

from services.datagen.counts import StepReport
from services.datagen.text.offsets import counted_otherwise
from services.datagen.text.spans import closest_span
from services.datagen.transforms.base import Resources
from services.runtime.errors import InvalidArgument
from services.runtime.options import option

POSITIONS = "answer_positions"
"""Attribute of a translated question: where each answer started in the original context, relative to its length."""


@dataclass(frozen=True)
class RecoverAnswersOptions:
    """How to recover answers."""

    mode: Literal["train", "test"] = option(
        "train: drop what is further than min(10, length - 1) edits; test: keep it as noise", default="train"
    )
    compare: Literal["nfkc", "raw"] = option(
        "nfkc: compare normal forms, so that full-width digits equal plain ones; raw: as written", default="nfkc"
    )


def positions(question: Question) -> str:
    """The attribute `answer_positions` for a question about to be translated."""
    size = max(len(question.context), 1)
    return ",".join(f"{answer.start / size:.9g}" for answer in question.answers)


class RecoverAnswers:
    """Finds each answer in its context by the smallest edit distance over all spans (Hsu et al. 2019, section 2.1).

    An answer whose start is right stays; so does one that stands exactly where its start says when counted in bytes of
    UTF-8, in units of UTF-16 or with other line ends (CRLF as one, LF as two), and its start becomes that in code
    points. For any other (`start=-1` after `translate`) the closest span of the context takes its place; among equally
    close ones that nearest to the original's relative position, which the attribute `answer_positions` tells (numbers
    in 0..1 separated by commas; without it the old start over the context's length, or 0). A distance above `min(10,
    length of the answer - 1)` drops the answer in training, and the example with the last of its answers; in test the
    closest span is kept as noise. Questions without answers pass.
    """

    name: ClassVar[str] = "recover_answers"
    summary: ClassVar[str] = "Finds the answers of translated questions again in their translated contexts."
    passes: ClassVar[int] = 1
    Options = RecoverAnswersOptions

    def __init__(self, options: RecoverAnswersOptions, _resources: Resources, _seed: int) -> None:
        self._options = options

    def apply(self, examples: Iterable[Example], report: StepReport) -> Iterator[Example]:
        """Recovers the answers of a stream; what is no question passes.

        Counts `read`, `kept`, `dropped` (examples); of answers `answers`, `exact`, `fuzzy`, `noise` (kept above the
        limit), `answers_dropped`, `offsets/bytes`, `offsets/utf16` and `offsets/newlines` (starts that were counted
        so), and `distance/N`, the histogram of all distances.

        Raises:
            InvalidArgument: The attribute `answer_positions` is not what it should be.
        """
        for example in examples:
            report.counts["read"] += 1
            if isinstance(example.content, Question) and example.content.answers:
                answers = self._recovered(example, example.content, report)
                if not answers:
                    report.counts["dropped"] += 1
                    continue
                content = replace(example.content, answers=answers)
                rest = {name: value for name, value in example.attributes.items() if name != POSITIONS}
                example = replace(example, content=content, attributes=rest)  # noqa: PLW2901
            report.counts["kept"] += 1
            yield example

    def _recovered(self, example: Example, question: Question, report: StepReport) -> tuple[Answer, ...]:
        places = _places(example, question)
        found = (
            self._recover(question.context, answer, place, report)
            for answer, place in zip(question.answers, places, strict=True)
        )
        return tuple(answer for answer in found if answer is not None)

    def _recover(self, context: str, answer: Answer, place: float, report: StepReport) -> Answer | None:
        counts = report.counts
        counts["answers"] += 1
        if not answer.text or not context:
            counts["answers_dropped"] += 1
            report.warn("Some answers or contexts are empty: their answers were dropped")
            return None
        if answer.start >= 0 and context.startswith(answer.text, answer.start):
            counts["exact"] += 1
            counts["distance/0"] += 1
            return answer
        counted = counted_otherwise(context, answer.text, answer.start)
        if counted is not None:
            counts["exact"] += 1
            counts["distance/0"] += 1
            counts[f"offsets/{counted.unit}"] += 1
            return replace(answer, start=counted.start)
        match = closest_span(context, answer.text, place, nfkc=self._options.compare == "nfkc")
        counts[f"distance/{match.distance}"] += 1
        if match.distance > min(10, len(answer.text) - 1):
            if self._options.mode == "train":
                counts["answers_dropped"] += 1
                return None
            counts["noise"] += 1
        else:
            counts["fuzzy" if match.distance else "exact"] += 1
        return Answer(context[match.start : match.end], match.start)


def _places(example: Example, question: Question) -> list[float]:
    """Where each answer should start, relative to the context's length."""
    given = example.attributes.get(POSITIONS)
    if given is None:
        size = max(len(question.context), 1)
        return [min(max(answer.start, 0) / size, 1.0) for answer in question.answers]
    try:
        places = [float(item) for item in given.split(",")]
    except ValueError:
        places = []
    if len(places) != len(question.answers) or not all(0 <= place <= 1 and math.isfinite(place) for place in places):
        raise InvalidArgument(
            f"examples[{example.id}].attributes[{POSITIONS}]",
            f"Expected {len(question.answers)} numbers within 0..1, separated by commas, but got {given!r}",
        )
    return places

"""Exact match and F1 of answers (Rajpurkar et al. 2016), the normaliser chosen by language.

An item's EM and F1 are the best over its gold answers; figures are their means times 100. A question without a
predicted answer counts 0.
"""

from collections import Counter
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from babelscope.data.examples import Example, Question

from services.metrics.scores.base import Figure, Score, Table, content, ratio
from services.metrics.scores.normalisers import NORMALISERS, Normaliser, default_for
from services.runtime.errors import InvalidArgument
from services.runtime.options import option


@dataclass(frozen=True)
class QaOptions:
    """Options of the scores of answers."""

    normaliser: str | None = option(
        "Normaliser of answers; by language where not given.", default=None, choices=tuple(NORMALISERS)
    )


class Qa:
    """EM and F1.

    Args:
        language: BCP 47 language tag.
        options: How answers are normalised.

    Raises:
        InvalidArgument: Neither a language nor a normaliser is given.
    """

    name: ClassVar[str] = "qa"
    summary: ClassVar[str] = (
        "EM and F1 of answers; gold is a question with answers, prediction the answer as text or as a question's first."
    )
    Options = QaOptions

    def __init__(self, language: str, options: QaOptions) -> None:
        if not language and not options.normaliser:
            raise InvalidArgument(
                "spec.language",
                "Expected a language, which chooses the normaliser, or `normaliser`, but got neither",
            )
        self._normaliser = NORMALISERS[options.normaliser] if options.normaliser else default_for(language)
        self._language = language
        self._rows: list[tuple[float, float, int, int]] = []

    def add(self, prediction: Example, gold: Example, where: str) -> None:
        """Scores an answer."""
        answers = [answer.text for answer in content(gold, Question, f"{where}.gold").answers]
        if not any(answer.strip() for answer in answers):
            raise InvalidArgument(
                f"{where}.gold.question.answers",
                f"Expected a gold answer with text in {gold.id!r}, but got {len(answers)} without: questions without "
                "answer, and placeholders of public test sets, are not scored",
            )
        said = prediction.content
        if not isinstance(said, str):
            given = content(prediction, Question, f"{where}.prediction").answers
            said = given[0].text if given else ""
        if not said.strip():
            self._rows.append((0.0, 0.0, 1, 1))
            return
        scored = [answer_scores(said, right, self._normaliser, self._language) for right in answers if right.strip()]
        self._rows.append((max(em for em, _ in scored), max(f1 for _, f1 in scored), 1, 0))

    def merge(self, other: Score) -> None:
        """Joins the scores of a shard."""
        assert isinstance(other, Qa)
        self._rows += other._rows

    def table(self) -> Table:
        """EM and F1 an item."""
        rows = np.array(self._rows, dtype=np.float64)
        unanswered = int(rows[:, 3].sum())
        warnings = (
            (f"{unanswered} of {len(rows)} questions have no predicted answer and count 0",) if unanswered else ()
        )
        figures = (
            Figure("em", self._normaliser.name, ratio(0, 2)),
            Figure("f1", self._normaliser.name, ratio(1, 2)),
        )
        return Table(rows, figures, {"norm": self._normaliser.name, "lang": self._language}, warnings)


def answer_scores(predicted: str, gold: str, normaliser: Normaliser, language: str) -> tuple[float, float]:
    """Exact match and F1, 0..1, of an answer against one gold answer."""
    exact = float(normaliser.text(predicted, language) == normaliser.text(gold, language))
    found, right = normaliser.tokens(predicted, language), normaliser.tokens(gold, language)
    common = sum((Counter(found) & Counter(right)).values())
    return exact, 2 * common / (len(found) + len(right)) if common else 0.0

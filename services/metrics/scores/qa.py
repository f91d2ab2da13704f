"""Exact match and F1 of answers (Rajpurkar et al. 2016), the normaliser chosen by language.

An item's EM and F1 are the best over its gold answers; figures are their means times 100. A question without a
predicted answer counts 0. A question that cannot be answered has no gold answers: there EM and F1 are 1 where the
prediction is empty after normalisation, else 0 (Rajpurkar, Jia and Liang 2018, the script of SQuAD 2.0).
"""

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from babelscope.data.examples import Example, Question

from services.metrics.arrays import F64
from services.metrics.scores.base import Figure, ItemTable, Score, content, ratio
from services.metrics.scores.normalisers import NORMALISERS, Normaliser, default_for
from services.metrics.scores.placeholders import LEAST
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
        "EM and F1 of answers; gold is a question with answers, or with none where it cannot be answered; prediction "
        "the answer as text or as a question's first."
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
        self._rows: list[tuple[float, float, int, int, float, float, int]] = []

    def add(self, prediction: Example, gold: Example, where: str) -> None:
        """Scores an answer."""
        answers = [answer.text for answer in content(gold, Question, f"{where}.gold").answers]
        if answers and not any(answer.strip() for answer in answers):
            raise InvalidArgument(
                f"{where}.gold.question.answers",
                f"Expected a gold answer with text, or no answers where {gold.id!r} cannot be answered, but got "
                f"{len(answers)} without text: placeholders of public test sets are not scored",
            )
        said = prediction.content
        if not isinstance(said, str):
            given = content(prediction, Question, f"{where}.prediction").answers
            said = given[0].text if given else ""
        if not answers:
            em = float(not self._normaliser.text(said, self._language).strip())
            f1 = float(not self._normaliser.tokens(said, self._language))
            self._rows.append((em, f1, 1, 0, em, f1, 1))
        elif not said.strip():
            self._rows.append((0.0, 0.0, 1, 1, 0.0, 0.0, 0))
        else:
            pairs = [answer_scores(said, right, self._normaliser, self._language) for right in answers if right.strip()]
            self._rows.append((max(em for em, _ in pairs), max(f1 for _, f1 in pairs), 1, 0, 0.0, 0.0, 0))

    def merge(self, other: Score) -> None:
        """Joins the scores of a shard."""
        assert isinstance(other, Qa)
        self._rows += other._rows

    def table(self) -> ItemTable:
        """EM and F1 an item; where some questions cannot be answered, also of these and of the others.

        Raises:
            InvalidArgument: No question at all has an answer, as in public test sets.
        """
        rows = np.array(self._rows, dtype=np.float64)
        unanswered, impossible = int(rows[:, 3].sum()), int(rows[:, 6].sum())
        if impossible == len(rows) >= LEAST:
            problem = f"Expected gold answers to some of the questions, but none of {len(rows)} has any"
            raise InvalidArgument("items", f"{problem}: this looks like a public test set, which cannot be scored")
        warnings = (
            (f"{unanswered} of {len(rows)} questions have no predicted answer and count 0",) if unanswered else ()
        )
        estimator = self._normaliser.name
        figures = [Figure("em", estimator, ratio(0, 2)), Figure("f1", estimator, ratio(1, 2))]
        if impossible:
            figures += [Figure(f"{name}_no_answer", estimator, ratio(at, 6)) for name, at in (("em", 4), ("f1", 5))]
        if 0 < impossible < len(rows):
            figures += [Figure(f"{name}_has_answer", estimator, _answerable(at)) for name, at in (("em", 0), ("f1", 1))]
        return ItemTable(rows, tuple(figures), {"norm": estimator, "lang": self._language}, warnings)


def _answerable(column: int) -> Callable[[F64], F64]:
    """A figure of the questions that can be answered: all but those without gold answers."""

    def of(sums: F64) -> F64:
        shown = np.stack([sums[..., column] - sums[..., column + 4], sums[..., 2] - sums[..., 6]], axis=-1)
        return ratio(0, 1)(shown)

    return of


def answer_scores(predicted: str, gold: str, normaliser: Normaliser, language: str) -> tuple[float, float]:
    """Exact match and F1, 0..1, of an answer against one gold answer."""
    exact = float(normaliser.text(predicted, language) == normaliser.text(gold, language))
    found, right = normaliser.tokens(predicted, language), normaliser.tokens(gold, language)
    common = sum((Counter(found) & Counter(right)).values())
    return exact, 2 * common / (len(found) + len(right)) if common else 0.0

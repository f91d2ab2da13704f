"""Requests for scores, and the figures that answer them."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from babelscope.data.activations import Progress
from babelscope.data.comparison import Estimate
from babelscope.data.example_messages import BATCH_BYTES, BATCH_EXAMPLES, to_proto
from babelscope.data.examples import Example
from babelscope.data.items import ItemScores, join
from babelscope.errors import DataCorrupted
from babelscope.v1 import metrics_pb2

Item = tuple[Example | str, Example]
"""A prediction, or its text alone, with its gold."""

COLUMNS: Final = (
    "score", "language", "metric", "estimator", "left", "right", "value", "low", "high", "n", "signature",
)  # fmt: skip
"""The columns of `Scores.table`."""


@dataclass(frozen=True, slots=True)
class Scores:
    """The figures of a score.

    Args:
        estimates: Figures, the cells of a confusion matrix among them (`left` the gold label, `right` the predicted).
        score: Name of the score.
        language: BCP 47 language tag; empty where none was given.
        items: The scores of each item, where they were asked for.
    """

    estimates: tuple[Estimate, ...]
    score: str
    language: str = ""
    items: ItemScores | None = None

    def find(self, metric: str, estimator: str | None = None) -> Estimate:
        """The one figure of a metric: `f1`, `las` of `no_punct`.

        Raises:
            LookupError: There is none, or more than one.
        """
        found = [each for each in self.estimates if each.metric == metric and estimator in {None, each.estimator}]
        if len(found) != 1:
            known = ", ".join(dict.fromkeys(f"{each.metric} ({each.estimator})" for each in self.estimates))
            raise LookupError(f"Expected one figure {metric!r}, but got {len(found)} among {known}")
        return found[0]

    def value(self, metric: str, estimator: str | None = None) -> float:
        """The value of that figure.

        Raises:
            LookupError: There is none, or more than one.
        """
        return self.find(metric, estimator).value

    def confusion(self) -> dict[tuple[str, str], int]:
        """Items by gold and predicted label; empty where the score has no labels."""
        return {(each.left, each.right): round(each.value) for each in self.estimates if each.metric == "confusion"}

    def table(self) -> list[dict[str, Any]]:
        """One tidy row a figure, with the columns of `COLUMNS`."""
        shared = {"score": self.score, "language": self.language}
        return [
            {column: shared[column] if column in shared else getattr(each, column) for column in COLUMNS}
            for each in self.estimates
        ]


class ScoreWork:
    """One call of `ScoreText`, which can be made as often as it takes.

    Args:
        score: Name of the score.
        items: Predictions with their gold; read at once, so that the call can be made again.
        language: BCP 47 language tag.
        options: Options of the score.
        item_scores: Whether the answer also has the scores of each item.
    """

    method = "ScoreText"

    def __init__(
        self, score: str, items: Iterable[Item], language: str, options: Mapping[str, Any], item_scores: bool = False
    ) -> None:
        self._items = tuple(items)
        self._spec = metrics_pb2.ScoreTextSpec(
            score=score,
            language=language,
            options={key: str(value) for key, value in options.items()},
            item_scores=item_scores,
        )

    def requests(self) -> Iterator[metrics_pb2.ScoreTextRequest]:
        """All messages, from the first."""
        yield metrics_pb2.ScoreTextRequest(spec=self._spec)
        held: list[metrics_pb2.ScoredItem] = []
        size = 0
        for prediction, gold in self._items:
            said = Example(gold.id, prediction) if isinstance(prediction, str) else prediction
            item = metrics_pb2.ScoredItem(prediction=to_proto(said), gold=to_proto(gold))
            length = item.ByteSize()
            if held and (size + length > BATCH_BYTES or len(held) >= BATCH_EXAMPLES):
                yield metrics_pb2.ScoreTextRequest(items=metrics_pb2.ScoredItems(items=held))
                held, size = [], 0
            held.append(item)
            size += length
        if held:
            yield metrics_pb2.ScoreTextRequest(items=metrics_pb2.ScoredItems(items=held))

    def fold(self) -> "ScoreFold":
        """An empty fold for the answers of one attempt."""
        return ScoreFold(self._spec.score, self._spec.language, len(self._items) if self._spec.item_scores else None)


class ScoreFold:
    """Folds the answers of a `ScoreText` call. Pure: both twins drive it.

    Args:
        score: Name of the score.
        language: Language of the request.
        items: How many items' scores are to come; None where none were asked for.
    """

    def __init__(self, score: str, language: str, items: int | None = None) -> None:
        self._score, self._language, self._expected = score, language, items
        self._estimates: list[Estimate] = []
        self._items: list[metrics_pb2.ItemScores] = []

    def receive(self, response: metrics_pb2.ScoreTextResponse) -> Progress | None:
        """Takes an answer in; the progress where it tells of one."""
        match response.WhichOneof("message"):
            case "progress":
                told = response.progress
                return Progress(told.stage, told.done, told.total, told.detail)
            case "estimates":
                self._estimates += map(Estimate.from_proto, response.estimates.estimates)
            case "item_scores":
                self._items.append(response.item_scores)
        return None

    def finish(self) -> Scores:
        """The whole, once the stream has ended.

        Raises:
            DataCorrupted: It ended before its figures, or before the scores of all items.
        """
        if not self._estimates:
            raise DataCorrupted("Expected figures at the end of the answer, but the stream ended without any")
        return Scores(tuple(self._estimates), self._score, self._language, self._item_scores())

    def _item_scores(self) -> ItemScores | None:
        """The scores of each item, where they were asked for."""
        if self._expected is None:
            return None
        came = sum(len(part.ids) for part in self._items)
        if not came or came != self._expected:
            raise DataCorrupted(f"Expected the scores of {self._expected} items, but the answer has those of {came}")
        try:
            return join(self._items)
        except ValueError as error:
            raise DataCorrupted(str(error)) from None

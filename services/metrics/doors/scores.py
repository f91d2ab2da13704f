"""The door to scores: messages with items come in, figures go out."""

from collections.abc import AsyncIterator, Iterator
from typing import Any

from babelscope.corpora.examples import Example
from babelscope.exchange import from_proto
from babelscope.v1 import metrics_pb2

from services.metrics import responses
from services.metrics.estimates import Check, Estimate, Progress
from services.metrics.scores import make
from services.metrics.scores.base import Score, estimates
from services.metrics.settings import MetricsSettings
from services.metrics.worker import Workers
from services.runtime.errors import InvalidArgument, LimitExceeded

Pair = tuple[Example, Example]


class ScoresDoor:
    """Answers `ScoreText`."""

    _settings: MetricsSettings
    _workers: Workers

    async def ScoreText(  # noqa: N802 - gRPC's name
        self, request_iterator: AsyncIterator[metrics_pb2.ScoreTextRequest], context: Any
    ) -> AsyncIterator[metrics_pb2.ScoreTextResponse]:
        """Scores of predicted against gold text, spans, tags, trees or labels."""
        scoring: _Scoring | None = None
        async for message in request_iterator:
            which = message.WhichOneof("message")
            if scoring is None:
                if which != "spec":
                    raise InvalidArgument(
                        "spec", f"Expected `spec` in the first message, but got {which or 'an empty message'}"
                    )
                scoring = _Scoring(message.spec, self._settings)
                continue
            if which != "items":
                raise InvalidArgument(
                    "items", f"Expected `items` after the first message, but got {which or 'nothing'}"
                )
            await self._workers.call(lambda scoring=scoring, message=message: scoring.take(message))  # type: ignore[misc]
            yield metrics_pb2.ScoreTextResponse(progress=responses.progress(Progress("score", scoring.count, 0, "")))
        if scoring is None:
            raise InvalidArgument("spec", "Expected `spec` in the first message, but the stream ended without any")
        async for found in self._workers.run(scoring.figures):
            yield metrics_pb2.ScoreTextResponse(estimates=responses.estimates(found))


class _Scoring:
    """One request under way.

    Args:
        spec: What is asked for.
        settings: Limits.
    """

    def __init__(self, spec: metrics_pb2.ScoreTextSpec, settings: MetricsSettings) -> None:
        self._score: Score
        self._score, self._resamples, self._seed = make(spec.score, spec.language, dict(spec.options))
        self._name = spec.score
        self._settings = settings
        self._ids: set[tuple[str, str]] = set()
        self._bytes = 0
        self.count = 0

    def take(self, message: metrics_pb2.ScoreTextRequest) -> None:
        """Takes items in."""
        self._bytes += message.ByteSize()
        if self._bytes > self._settings.max_text_bytes:
            raise LimitExceeded(
                "max_text_bytes", f"Expected at most {self._settings.max_text_bytes} bytes of items, but got more"
            )
        for item in message.items.items:
            where = f"items[{self.count}]"
            if self.count >= self._settings.max_rows:
                raise LimitExceeded("max_rows", f"Expected at most {self._settings.max_rows} items, but got more")
            if not item.HasField("gold"):
                raise InvalidArgument(f"{where}.gold", "Expected what is right, but got nothing")
            self._check_ids(item, where)
            self._score.add(from_proto(item.prediction), from_proto(item.gold), where)
            self.count += 1

    def figures(self, check: Check) -> Iterator[tuple[Estimate, ...]]:
        """The figures of all items."""
        if not self.count:
            raise InvalidArgument("items", "Expected at least one item, but got n = 0")
        yield estimates(self._name, self._score.table(), resamples=self._resamples, seed=self._seed, check=check)

    def _check_ids(self, item: metrics_pb2.ScoredItem, where: str) -> None:
        """Predictions are never mis-paired, and none counts twice."""
        gold, prediction = item.gold, item.prediction
        if not gold.id:
            raise InvalidArgument(f"{where}.gold.id", "Expected an id, but got none")
        if prediction.id and prediction.id != gold.id:
            raise InvalidArgument(
                f"{where}.prediction.id", f"Expected the gold's id {gold.id[:80]!r}, but got {prediction.id[:80]!r}"
            )
        key = (gold.id, gold.language)
        if key in self._ids:
            raise InvalidArgument(
                f"{where}.gold.id", f"Expected each id once a language, but got {gold.id[:80]!r} twice"
            )
        self._ids.add(key)

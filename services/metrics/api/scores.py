"""The door to scores: messages with items come in, figures go out."""

from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import aclosing
from functools import partial
from typing import Any, Final

from babelscope.data.example_messages import from_proto
from babelscope.v1 import metrics_pb2

from services.metrics.api import responses
from services.metrics.api.desk import Desk
from services.metrics.estimates.estimates import Check, Progress
from services.metrics.scores import make
from services.metrics.scores.base import ItemTable, Score, estimates
from services.metrics.settings import MetricsSettings
from services.runtime.errors import InvalidArgument, LimitExceeded
from services.runtime.memory import ENTRY, Account
from services.runtime.options import given
from services.runtime.streams import first, later

ITEM_BYTES: Final = 1 << 20
"""Bytes of items' scores in one message, about."""

_KEY_BYTES: Final = 8
"""Of an item's id and language in a message, beside their letters."""


class ScoresDoor:
    """Answers `ScoreText`.

    Args:
        desk: Parts of the server that the door uses.
    """

    def __init__(self, desk: Desk) -> None:
        self._settings = desk.settings
        self._workers = desk.workers
        self._memory = desk.memory

    async def ScoreText(  # noqa: N802 - gRPC's name
        self, request_iterator: AsyncIterator[metrics_pb2.ScoreTextRequest], context: Any
    ) -> AsyncIterator[metrics_pb2.ScoreTextResponse]:
        """Scores of predicted against gold text, spans, tags, trees or labels."""
        spec = await first(request_iterator)
        with self._memory.account() as account:
            scoring = _Scoring(spec, self._settings, account)
            async for message in request_iterator:
                await self._workers.call(partial(scoring.take, message))
                told = responses.progress(Progress("score", scoring.count, 0, ""))
                yield metrics_pb2.ScoreTextResponse(progress=told)
            async with aclosing(self._workers.run(lambda feed: scoring.answers(feed.check))) as answers:
                async for answer in answers:
                    yield answer


def item_scores(
    table: ItemTable, keys: Sequence[tuple[str, str]], limit: int = ITEM_BYTES
) -> Iterator[metrics_pb2.ItemScores]:
    """The scores of each item in messages of bounded size.

    Args:
        table: What the items left behind.
        keys: Their ids and languages.
        limit: Bytes of a message, about; it has at least one item.
    """
    figures = [(each, each.of_items(table.rows)) for each in table.figures if each.by_item]
    sizes = [len(name.encode()) + len(language.encode()) + 8 * len(figures) + _KEY_BYTES for name, language in keys]
    start = held = 0
    for stop, size in enumerate([*sizes, limit + 1]):
        if stop > start and held + size > limit:
            part = slice(start, stop)
            yield metrics_pb2.ItemScores(
                ids=[name for name, _ in keys[part]],
                languages=[language for _, language in keys[part]],
                figures=[
                    metrics_pb2.ItemFigure(metric=each.metric, estimator=each.estimator, values=values[part])
                    for each, values in figures
                ],
            )
            start, held = stop, 0
        held += size


class _Scoring:
    """One request under way.

    Args:
        spec: The request.
        settings: Limits.
        account: What the request holds.
    """

    def __init__(self, spec: metrics_pb2.ScoreTextSpec, settings: MetricsSettings, account: Account) -> None:
        self._score: Score
        self._score, self._resamples, self._seed = make(spec.score, spec.language, given(spec.options, "spec.options"))
        self._name = spec.score
        self._settings = settings
        self._account = account
        self._item_scores = spec.item_scores
        self._ids: dict[tuple[str, str], None] = {}
        self.count = 0

    def take(self, message: metrics_pb2.ScoreTextRequest) -> None:
        """Takes items in."""
        items = later(message, "items").items
        # Of an item a score keeps some numbers, or some strings of it.
        amount = message.ByteSize() + ENTRY * len(items)
        if self._account.held + amount > self._settings.max_text_bytes:
            raise LimitExceeded(
                "max_text_bytes", f"Expected at most {self._settings.max_text_bytes} bytes of items, but got more"
            )
        self._account.take(amount)
        for item in items:
            where = f"items[{self.count}]"
            if self.count >= self._settings.max_rows:
                raise LimitExceeded("max_rows", f"Expected at most {self._settings.max_rows} items, but got more")
            if not item.HasField("gold"):
                raise InvalidArgument(f"{where}.gold", "Expected what is right, but got nothing")
            self._check_ids(item, where)
            self._score.add(from_proto(item.prediction), from_proto(item.gold), where)
            self.count += 1

    def answers(self, check: Check) -> Iterator[metrics_pb2.ScoreTextResponse]:
        """The figures of all items, then those of each where they are asked for."""
        if not self.count:
            raise InvalidArgument("items", "Expected at least one item, but got n = 0")
        table = self._score.table()
        found = estimates(self._name, table, resamples=self._resamples, seed=self._seed, check=check)
        yield metrics_pb2.ScoreTextResponse(estimates=responses.estimates(found))
        if self._item_scores:
            for part in item_scores(table, list(self._ids)):
                yield metrics_pb2.ScoreTextResponse(item_scores=part)

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
        self._ids[key] = None

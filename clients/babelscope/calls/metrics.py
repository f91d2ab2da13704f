"""What the synchronous and the asynchronous client of the metrics server share: requests, and their repetition."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, TypeVar

from babelscope.calls.base import ClientBase
from babelscope.calls.encode import MESSAGE_TEXTS
from babelscope.calls.views import AnyView, Defaults, Measure, Views, compare_spec, retrieve_spec
from babelscope.data.activations import Progress
from babelscope.data.comparison import Fold, Kind
from babelscope.v1 import metrics_pb2

Answer = TypeVar("Answer")
Answer_co = TypeVar("Answer_co", covariant=True)


class Folding(Protocol[Answer_co]):
    """What the messages of one attempt are folded into."""

    def receive(self, response: Any) -> Progress | None:
        """Takes a message in; the progress where it tells of one."""

    def finish(self) -> Answer_co:
        """The whole, once the stream has ended."""


class Repeatable(Protocol[Answer_co]):
    """One call of a stream, which can be made as often as it takes."""

    @property
    def method(self) -> str:
        """Name of the call."""

    def requests(self) -> Iterator[Any]:
        """All messages, from the first."""

    def fold(self) -> Folding[Answer_co]:
        """An empty fold for the answers of one attempt."""


@dataclass(frozen=True, slots=True)
class Work:
    """One call of the metrics server, which can be made as often as it takes.

    Args:
        method: Name of the call.
        kind: What its numbers are.
        views: Its views.
        first: The message with the specification.
        message: Makes a message of rows.
        gold: Right answers, as messages.
    """

    method: str
    kind: Kind
    views: Views
    first: metrics_pb2.CompareRequest | metrics_pb2.RetrieveRequest
    message: Callable[..., Any]
    gold: Sequence[metrics_pb2.GoldPairs] = ()

    def requests(self) -> Iterator[Any]:
        """All messages, from the first."""
        yield from messages(self.first, self.views, self.message)
        for pairs in self.gold:
            yield self.message(gold=pairs)

    def fold(self) -> Fold:
        """An empty fold for the answers of one attempt."""
        return Fold(self.kind, self.views.uses)


def messages(first: Any, views: Views, message: Callable[..., Any]) -> Iterator[Any]:
    """The messages of a call over views: the specification, then all rows.

    Args:
        first: The message with the specification.
        views: Whose rows.
        message: Makes a message of rows.
    """
    yield first
    for rows in views.rows():
        if isinstance(rows, metrics_pb2.ViewTexts):
            yield message(texts=rows)
        else:
            yield message(activations=rows)


class MetricsBase(ClientBase):
    """A client of the metrics server, without its calls."""

    service = "MetricsService"

    @staticmethod
    def _compare_work(
        views: Mapping[str, AnyView],
        measures: Sequence[Measure | str],
        pairs: Iterable[tuple[str, str]] | None,
        defaults: Defaults,
        *,
        alignment: str,
        layer_pairing: str,
        standardise: bool,
        drop_top_variance: int,
        keep_state: bool = False,
    ) -> Work:
        """A compare call."""
        built = Views(views, defaults)
        spec = compare_spec(
            built,
            measures=measures,
            pairs=pairs,
            alignment=alignment,
            layer_pairing=layer_pairing,
            standardise=standardise,
            drop_top_variance=drop_top_variance,
            keep_state=keep_state,
        )
        first = metrics_pb2.CompareRequest(spec=spec)
        return Work("Compare", "similarity", built, first, metrics_pb2.CompareRequest)

    @staticmethod
    def _merge_request(
        states: Iterable[str],
        measures: Sequence[Measure | str],
        *,
        standardise: bool,
        drop_top_variance: int,
        keep_state: bool,
    ) -> metrics_pb2.MergeRequest:
        """A merge call."""
        return metrics_pb2.MergeRequest(
            states=states,
            measures=[Measure.of(measure).to_proto() for measure in measures],
            preprocessing=metrics_pb2.Preprocessing(standardise=standardise, drop_top_variance=drop_top_variance),
            keep_state=keep_state,
        )

    @staticmethod
    def _retrieve_work(
        views: Mapping[str, AnyView],
        similarities: Sequence[str],
        pairs: Iterable[tuple[str, str]] | None,
        defaults: Defaults,
        *,
        ranks: Sequence[int],
        csls_k: int,
        centre: bool,
        gold: Iterable[tuple[str, str]] | None,
        index: str,
        alignment: str,
        layer_pairing: str,
    ) -> Work:
        """A retrieve call."""
        built = Views(views, defaults)
        answers = None if gold is None else [metrics_pb2.IdPair(source_id=one, target_id=two) for one, two in gold]
        spec = retrieve_spec(
            built,
            similarities=similarities,
            ranks=ranks,
            csls_k=csls_k,
            centre=centre,
            gold=answers is not None,
            index=index,
            pairs=pairs,
            alignment=alignment,
            layer_pairing=layer_pairing,
        )
        first = metrics_pb2.RetrieveRequest(spec=spec)
        starts = range(0, len(answers or ()), MESSAGE_TEXTS)
        parts = [metrics_pb2.GoldPairs(pairs=(answers or ())[start : start + MESSAGE_TEXTS]) for start in starts]
        return Work("Retrieve", "retrieval", built, first, metrics_pb2.RetrieveRequest, parts)

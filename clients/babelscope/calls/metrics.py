"""What the synchronous and the asynchronous client of the metrics server share: requests, and their repetition."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Generic, Protocol, TypeVar

from babelscope.calls.encode import MESSAGE_TEXTS
from babelscope.calls.measures import Measure
from babelscope.calls.options import PairOptions, RetrieveOptions, check_options
from babelscope.calls.views import AnyView, Views
from babelscope.data.activations import Progress, ShowProgress
from babelscope.data.comparison import Fold, Kind
from babelscope.data.models import choose
from babelscope.v1 import metrics_pb2

_ALIGNMENTS: Final[dict[str, "metrics_pb2.Alignment.ValueType"]] = {
    "strict": metrics_pb2.ALIGNMENT_STRICT,
    "intersect": metrics_pb2.ALIGNMENT_INTERSECT,
}
_LAYER_PAIRINGS: Final[dict[str, "metrics_pb2.LayerPairing.ValueType"]] = {
    "same": metrics_pb2.LAYER_PAIRING_SAME,
    "all": metrics_pb2.LAYER_PAIRING_ALL,
}

Answer = TypeVar("Answer")
Answer_co = TypeVar("Answer_co", covariant=True)


class Folding(Protocol[Answer_co]):
    """What the messages of one attempt are folded into."""

    def receive(self, response: Any) -> Progress | None:
        """Takes a message in; the progress where it tells of one."""

    def finish(self) -> Answer_co:
        """The whole, once the stream has ended."""


class Repeatable(Protocol[Answer_co]):
    """One call of the metrics server, which can be made as often as it takes."""

    @property
    def method(self) -> str:
        """Name of the call."""

    def requests(self) -> Any:
        """The message, or an iterator of all messages, from the first."""

    def fold(self) -> Folding[Answer_co]:
        """An empty fold for the answers of one attempt."""


class FoldedCall(Generic[Answer]):
    """A call whose answers are folded into one. Each attempt starts anew: the server keeps nothing of a broken one.

    Args:
        work: The call.
        progress: Called as the work goes on.
        repeatable: Whether all messages can be made again.
    """

    def __init__(
        self, work: Repeatable[Answer], progress: ShowProgress | None = None, *, repeatable: bool = True
    ) -> None:
        self.method = work.method
        self.repeatable = repeatable
        self._work = work
        self._progress = progress
        self._fold = work.fold()

    def begin(self) -> Any:
        """The request of a new attempt."""
        self._fold = self._work.fold()
        return self._work.requests()

    def receive(self, response: Any) -> tuple[()]:
        """Folds a message in; nothing is kept of it should the attempt break."""
        told = self._fold.receive(response)
        if told is not None and self._progress is not None:
            self._progress(told)
        return ()

    def finish(self) -> None:
        """The answer has ended.

        Raises:
            DataCorrupted: It is not whole.
        """
        self.answer = self._fold.finish()


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
        views: The views whose rows are sent.
        message: Makes a message of rows.
    """
    yield first
    for rows in views.rows():
        if isinstance(rows, metrics_pb2.ViewTexts):
            yield message(texts=rows)
        else:
            yield message(activations=rows)


@dataclass(frozen=True, slots=True)
class MergeWork:
    """One call of `Merge`, which can be made as often as it takes.

    Args:
        request: Its message.
    """

    request: metrics_pb2.MergeRequest
    method: str = "Merge"

    def requests(self) -> metrics_pb2.MergeRequest:
        """The one message."""
        return self.request

    def fold(self) -> Fold:
        """An empty fold for the answers of one attempt."""
        return Fold("similarity", {})


def compare_work(
    views: Mapping[str, AnyView],
    measures: Iterable[Measure | str],
    pairs: Iterable[tuple[str, str]] | None,
    options: PairOptions,
    *,
    preprocessing: metrics_pb2.Preprocessing,
    keep_state: bool,
) -> Work:
    """A compare call.

    Raises:
        ValueError: A view or a pair of them is wrong, or an option has a value that is not offered.
        TypeError: There is no such option.
    """
    check_options(options, PairOptions, "compare")
    built = Views(views, options)
    spec = metrics_pb2.CompareSpec(
        views=built.protos,
        pairs=built.pairs(pairs),
        measures=[Measure.of(measure).to_proto() for measure in measures],
        preprocessing=preprocessing,
        keep_state=keep_state,
        **_pairing(options),
    )
    return Work("Compare", "similarity", built, metrics_pb2.CompareRequest(spec=spec), metrics_pb2.CompareRequest)


def retrieve_work(
    views: Mapping[str, AnyView],
    similarities: Sequence[str],
    pairs: Iterable[tuple[str, str]] | None,
    gold: Iterable[tuple[str, str]] | None,
    options: RetrieveOptions,
) -> Work:
    """A retrieve call.

    Raises:
        ValueError: A view or a pair of them is wrong, or an option has a value that is not offered.
        TypeError: There is no such option.
    """
    check_options(options, RetrieveOptions, "retrieve")
    built = Views(views, options)
    spec = metrics_pb2.RetrieveSpec(
        views=built.protos,
        pairs=built.pairs(pairs),
        similarities=similarities,
        ranks=options.get("ranks", ()),
        csls_k=options.get("csls_k", 0),
        centre=options.get("centre", False),
        index=options.get("index", ""),
        gold=gold is not None,
        **_pairing(options),
    )
    answers = [metrics_pb2.IdPair(source_id=one, target_id=two) for one, two in gold or ()]
    starts = range(0, len(answers), MESSAGE_TEXTS)
    parts = [metrics_pb2.GoldPairs(pairs=answers[start : start + MESSAGE_TEXTS]) for start in starts]
    first = metrics_pb2.RetrieveRequest(spec=spec)
    return Work("Retrieve", "retrieval", built, first, metrics_pb2.RetrieveRequest, parts)


def _pairing(options: PairOptions) -> dict[str, Any]:
    """How rows and layers of two views are paired, as fields of a specification."""
    return {
        "layer_pairing": choose(_LAYER_PAIRINGS, "layer_pairing", options.get("layer_pairing", "same")),
        "alignment": choose(_ALIGNMENTS, "alignment", options.get("alignment", "strict")),
    }

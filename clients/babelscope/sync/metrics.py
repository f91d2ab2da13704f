"""The synchronous client of the metrics server."""

import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any

import grpc

from babelscope.calls.encode import FloatType, Overflow, Pooling
from babelscope.calls.metrics import Answer, Repeatable
from babelscope.calls.scoring import Item, Scores, ScoreWork
from babelscope.calls.views import AnyView, Defaults, Measure
from babelscope.data.activations import Progress
from babelscope.data.comparison import Comparison, Fold
from babelscope.data.models import Intervention, Model
from babelscope.sync.maps import MapCalls
from babelscope.sync.projection import ProjectionCalls
from babelscope.sync.statistics import StatisticsCalls
from babelscope.transport.channel import ClientConfig, open_channel
from babelscope.v1 import metrics_pb2_grpc


class MetricsClient(StatisticsCalls, ProjectionCalls, MapCalls):
    """Asks the metrics server for numbers. Threads may share one client.

    Args:
        config: Where the server is, and how to speak to it; an address alone will do.
        channel: The transport; opened to the configured address where None.
    """

    def __init__(self, config: ClientConfig | str, *, channel: grpc.Channel | None = None) -> None:
        super().__init__(config)
        self._channel = channel or open_channel(self._config)
        self._stub = metrics_pb2_grpc.MetricsServiceStub(self._channel)

    def close(self) -> None:
        """Closes the channel."""
        self._channel.close()

    def compare(
        self,
        views: Mapping[str, AnyView],
        measures: Sequence[Measure | str] = ("cka",),
        pairs: Iterable[tuple[str, str]] | None = None,
        *,
        model: Model | str | None = None,
        layers: Sequence[int] | None = None,
        pooling: Pooling = "mean",
        interventions: Sequence[Intervention] = (),
        overflow: Overflow = "refuse",
        compute_dtype: FloatType = "float32",
        max_tokens: int | None = None,
        alignment: str = "strict",
        layer_pairing: str = "same",
        standardise: bool = False,
        drop_top_variance: int = 0,
        keep_state: bool = False,
        progress: Callable[[Progress], None] | None = None,
        timeout: float | None = None,
    ) -> Comparison:
        """Similarity of representations: every layer of every pair of views in one pass.

        Args:
            views: By name, at least two: views, lists of texts, or activations.
            measures: `cka`, `cka:biased`, `rbf`, `cca`, `svcca`, `pwcca`, `procrustes`, `neuron_correlation`, `cosine`.
            pairs: Pairs of names; all where None.
            model: The weights, for views of texts that name none.
            layers: Hidden states wanted; all where None.
            pooling: `mean` or `cls`.
            interventions: Edits of the hidden states.
            overflow: `refuse` or `truncate` texts of too many tokens.
            compute_dtype: Arithmetic of the model.
            max_tokens: Longest input in tokens; the model's own limit where None.
            alignment: `strict`, or `intersect` to use the ids that both sides have.
            layer_pairing: `same`, or `all` for every layer with every layer.
            standardise: Divide each dimension by its standard deviation.
            drop_top_variance: Leave out this many dimensions of largest variance.
            keep_state: Keep the sums in the store, for `merge`.
            progress: Called as the work goes on.
            timeout: Seconds for the whole call.

        Raises:
            InvalidRequest: `.field` names what is wrong.
            RpcError: The server answered with another error, or could not be reached for too long.
        """
        work = self._compare_work(
            views,
            measures,
            pairs,
            Defaults(model, layers, pooling, interventions, overflow, compute_dtype, max_tokens),
            alignment=alignment,
            layer_pairing=layer_pairing,
            standardise=standardise,
            drop_top_variance=drop_top_variance,
            keep_state=keep_state,
        )
        return self._run(self._stub.Compare, work, progress, timeout)

    def merge(
        self,
        states: Iterable[str],
        measures: Sequence[Measure | str] = ("cka",),
        *,
        standardise: bool = False,
        drop_top_variance: int = 0,
        keep_state: bool = False,
        timeout: float | None = None,
    ) -> Comparison:
        """Numbers of a whole corpus from the sums that its shards left in the store.

        Args:
            states: `Comparison.state` of each shard, compared with `keep_state=True` and the same views.
            measures: What to measure; those of the shards, or others that the same sums give. None to merge only.
            standardise: Divide each dimension by its standard deviation over all shards. This and the next need shards
                that were compared with one of them, whose sums then serve any setting of both; not for cosines.
            drop_top_variance: Leave out this many dimensions of largest variance over all shards.
            keep_state: Keep the merged sums as well.
            timeout: Seconds for the whole call.

        Raises:
            InvalidRequest: `.field` names what is wrong.
            RpcError: The server answered with another error, or could not be reached for too long.
        """
        request = self._merge_request(
            states,
            measures,
            standardise=standardise,
            drop_top_variance=drop_top_variance,
            keep_state=keep_state,
        )
        retry = self._retry(self._stream_timeout(timeout))
        request_id = self._config.new_request_id()
        metadata = self._config.metadata(request_id)
        while True:
            fold = Fold("similarity", {})
            try:
                for response in self._stub.Merge(request, timeout=retry.remaining(), metadata=metadata):
                    retry.alive()
                    fold.receive(response)
                return fold.finish()
            except grpc.RpcError as error:
                broken = error
            time.sleep(retry.delay(self._translate(broken, "Merge", request_id)))

    def retrieve(
        self,
        views: Mapping[str, AnyView],
        similarities: Sequence[str] = (),
        pairs: Iterable[tuple[str, str]] | None = None,
        *,
        ranks: Sequence[int] = (),
        csls_k: int = 0,
        centre: bool = False,
        gold: Iterable[tuple[str, str]] | None = None,
        index: str = "",
        model: Model | str | None = None,
        layers: Sequence[int] | None = None,
        pooling: Pooling = "mean",
        interventions: Sequence[Intervention] = (),
        overflow: Overflow = "refuse",
        compute_dtype: FloatType = "float32",
        max_tokens: int | None = None,
        alignment: str = "strict",
        layer_pairing: str = "same",
        progress: Callable[[Progress], None] | None = None,
        timeout: float | None = None,
    ) -> Comparison:
        """Nearest-neighbour retrieval between views, every layer, both directions.

        Args:
            views: By name, at least two: views, lists of texts, or activations.
            similarities: `cosine`, `csls`; both where empty.
            pairs: Pairs of names; all where None.
            ranks: Ranks of precision; 1, 5, 10 where empty.
            csls_k: Neighbours of CSLS; 10 where 0.
            centre: Subtract each view's mean vector first.
            gold: Right answers as (left id, right id), several of an id allowed, in place of shared ids: for words, all
                rows of the other view being candidates. Views then differ in ids and size; one pair of them only.
            index: `exact`, or for very many candidates an approximate one, `ivf` or `hnsw`, with its recall.
            model: The weights, for views of texts that name none.
            layers: Hidden states wanted; all where None.
            pooling: `mean` or `cls`.
            interventions: Edits of the hidden states.
            overflow: `refuse` or `truncate` texts of too many tokens.
            compute_dtype: Arithmetic of the model.
            max_tokens: Longest input in tokens; the model's own limit where None.
            alignment: `strict`, or `intersect` to use the ids that both sides have.
            layer_pairing: `same`, or `all` for every layer with every layer.
            progress: Called as the work goes on.
            timeout: Seconds for the whole call.

        Raises:
            InvalidRequest: `.field` names what is wrong.
            RpcError: The server answered with another error, or could not be reached for too long.
        """
        work = self._retrieve_work(
            views,
            similarities,
            pairs,
            Defaults(model, layers, pooling, interventions, overflow, compute_dtype, max_tokens),
            ranks=ranks,
            csls_k=csls_k,
            centre=centre,
            gold=gold,
            index=index,
            alignment=alignment,
            layer_pairing=layer_pairing,
        )
        return self._run(self._stub.Retrieve, work, progress, timeout)

    def score(
        self,
        score: str,
        items: Iterable[Item],
        *,
        language: str = "",
        options: Mapping[str, Any] | None = None,
        item_scores: bool = False,
        progress: Callable[[Progress], None] | None = None,
        timeout: float | None = None,
    ) -> Scores:
        """Scores of predicted against gold text, spans, tags, trees or labels, with 95 % bootstrap intervals.

        Args:
            score: `bleu1`, `convert_rate`, `qa`, `span_f1`, `tagging`, `parsing`, `nli`.
            items: (prediction, gold) pairs; a prediction may be a string. Ids of gold are unique within a language.
            language: BCP 47 language tag, which chooses tokens and normalisers.
            options: Of the score by name, `normaliser="mlqa"`; `resamples` and `seed` of the intervals.
            item_scores: Also give the scores of each item, for `compare_systems`.
            progress: Called as the work goes on.
            timeout: Seconds for the whole call.

        Raises:
            InvalidRequest: An item cannot be scored, or an option is wrong; `.field` names it.
            ValueError: A text is no UTF-8.
            RpcError: The server answered with another error, or could not be reached for too long.
        """
        work = ScoreWork(score, items, language, options or {}, item_scores)
        return self._run(self._stub.ScoreText, work, progress, timeout)

    def _run(
        self,
        method: Callable[..., Any],
        work: Repeatable[Answer],
        progress: Callable[[Progress], None] | None,
        timeout: float | None,
    ) -> Answer:
        """All attempts of one call; each sends everything, for the server keeps nothing of a broken one."""
        retry = self._retry(self._stream_timeout(timeout))
        request_id = self._config.new_request_id()
        metadata = self._config.metadata(request_id)
        while True:
            fold = work.fold()
            failure = _Failure()
            call = method(failure.guard(work.requests()), timeout=retry.remaining(), metadata=metadata)
            try:
                fresh = True
                for response in call:
                    if fresh:
                        retry.accepted()
                        fresh = False
                    failure.check()
                    retry.alive()
                    told = fold.receive(response)
                    if told is not None and progress is not None:
                        progress(told)
                failure.check()
                return fold.finish()
            except grpc.RpcError as error:
                broken = error
            finally:
                call.cancel()
            failure.check()
            time.sleep(retry.delay(self._translate(broken, work.method, request_id)))


class _Failure:
    """Keeps what the rows raised in gRPC's thread, to be raised in the caller's."""

    def __init__(self) -> None:
        self._error: BaseException | None = None

    def guard(self, requests: Iterator[Any]) -> Iterator[Any]:
        """The requests, up to a failure."""
        try:
            yield from requests
        except Exception as error:
            # gRPC would only log it; the caller's own thread raises it in `check`.
            self._error = error

    def check(self) -> None:
        """Raises the failure, if there was one."""
        if self._error is not None:
            raise self._error

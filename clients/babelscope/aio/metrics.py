"""The asynchronous client of the metrics server."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, ClassVar, Unpack

from babelscope.aio.client import AsyncClient
from babelscope.calls.maps import FittedMap, MapWork
from babelscope.calls.measures import Measure
from babelscope.calls.metrics import Answer, FoldedCall, MergeWork, Repeatable, compare_work, retrieve_work
from babelscope.calls.options import PairOptions, RetrieveOptions, ViewOptions
from babelscope.calls.projection import Projection, ProjectionWork
from babelscope.calls.scoring import Item, Scores, ScoreWork
from babelscope.calls.views import AnyView
from babelscope.data.activations import ShowProgress
from babelscope.data.capabilities import MapMethodInfo, MeasureInfo, ScoreInfo
from babelscope.data.comparison import Comparison
from babelscope.data.statistics import (
    Anova,
    Correlation,
    Difference,
    anova_request,
    correlate_request,
    correlations,
    systems_request,
)
from babelscope.transport.services import METRICS, Service
from babelscope.v1 import metrics_pb2, metrics_pb2_grpc


class AsyncMetricsClient(AsyncClient):
    """Asks the metrics server for numbers. Tasks of one loop may share one client.

    Args:
        config: Address of the server and how to speak to it; a plain address will do.
        channel: The transport; opened to the configured address where None.
    """

    _service: ClassVar[Service] = METRICS
    _stub = metrics_pb2_grpc.MetricsServiceStub

    async def compare(
        self,
        views: Mapping[str, AnyView],
        measures: Sequence[Measure | str] = ("cka",),
        pairs: Iterable[tuple[str, str]] | None = None,
        *,
        standardise: bool = False,
        drop_top_variance: int = 0,
        keep_state: bool = False,
        progress: ShowProgress | None = None,
        timeout: float | None = None,
        **options: Unpack[PairOptions],
    ) -> Comparison:
        """Similarity of representations: every layer of every pair of views in one pass.

        Args:
            views: At least two views by name: views, lists of texts, or activations.
            measures: Measures of `list_measures`: `Measure`, or `NAME[:ESTIMATOR,OPTION=VALUE,...]` such as `cka`,
                `cka:biased` or `svcca:variance=0.9`.
            pairs: Pairs of names; all where None.
            standardise: Divide each dimension by its standard deviation.
            drop_top_variance: Leave out this many dimensions of largest variance.
            keep_state: Keep the sums in the store, for `merge`.
            progress: Called as the work goes on.
            timeout: Seconds for the whole call.
            options: How views of texts are encoded (`model`, `layers`, `pooling`, `interventions`, `overflow`,
                `compute_dtype`, `backend`, `max_tokens`) and views paired (`alignment`, `layer_pairing`), as described
                by `babelscope.calls.options.PairOptions`.

        Raises:
            InvalidRequest: `.field` names what is wrong.
            RpcError: The server answered with another error, or could not be reached for too long.
        """
        preprocessing = metrics_pb2.Preprocessing(standardise=standardise, drop_top_variance=drop_top_variance)
        work = compare_work(views, measures, pairs, options, preprocessing=preprocessing, keep_state=keep_state)
        return await self._fold(work, progress, timeout)

    async def merge(
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
        request = metrics_pb2.MergeRequest(
            states=states,
            measures=[Measure.of(measure).to_proto() for measure in measures],
            preprocessing=metrics_pb2.Preprocessing(standardise=standardise, drop_top_variance=drop_top_variance),
            keep_state=keep_state,
        )
        return await self._fold(MergeWork(request), None, timeout)

    async def retrieve(
        self,
        views: Mapping[str, AnyView],
        similarities: Sequence[str] = (),
        pairs: Iterable[tuple[str, str]] | None = None,
        *,
        gold: Iterable[tuple[str, str]] | None = None,
        progress: ShowProgress | None = None,
        timeout: float | None = None,
        **options: Unpack[RetrieveOptions],
    ) -> Comparison:
        """Nearest-neighbour retrieval between views, every layer, both directions.

        Args:
            views: At least two views by name: views, lists of texts, or activations.
            similarities: `cosine`, `csls`; both where empty.
            pairs: Pairs of names; all where None.
            gold: Right answers as (left id, right id), several of an id allowed, in place of shared ids: for words, all
                rows of the other view being candidates. Views then differ in ids and size; one pair of them only.
            progress: Called as the work goes on.
            timeout: Seconds for the whole call.
            options: How views of texts are encoded (`model`, `layers`, `pooling`, `interventions`, `overflow`,
                `compute_dtype`, `backend`, `max_tokens`), views paired (`alignment`, `layer_pairing`) and neighbours
                found (`ranks`, `csls_k`, `centre`, `index`), as described by
                `babelscope.calls.options.RetrieveOptions`.

        Raises:
            InvalidRequest: `.field` names what is wrong.
            RpcError: The server answered with another error, or could not be reached for too long.
        """
        return await self._fold(retrieve_work(views, similarities, pairs, gold, options), progress, timeout)

    async def fit_map(
        self,
        source: AnyView,
        target: AnyView,
        method: str = "procrustes",
        *,
        seeds: Iterable[tuple[str, str]] = (),
        options: Mapping[str, Any] | None = None,
        seed: int = 0,
        progress: ShowProgress | None = None,
        timeout: float | None = None,
        **encoding: Unpack[ViewOptions],
    ) -> dict[int, FittedMap]:
        """Learns linear maps from one view to another, one a layer; the store keeps them.

        Args:
            source: A view, a list of texts, or activations; the most frequent rows come first.
            target: The same of the other language.
            method: Name of a method of `list_map_methods`.
            seeds: Known translations by id, (source id, target id); ids that both views share where there are none
                and the method needs some.
            options: Options of the method by name, such as `normalisation="centre"`, as `list_map_methods` gives them.
            seed: Seed of all random draws.
            progress: Called as the work goes on.
            timeout: Seconds for the whole call.
            encoding: How views of texts are encoded (`model`, `layers`, `pooling`, `interventions`, `overflow`,
                `compute_dtype`, `backend`, `max_tokens`), as described by `babelscope.calls.options.ViewOptions`.

        Returns:
            The maps by layer; an array [n, d] has the one layer 0.

        Raises:
            InvalidRequest: `.field` names what is wrong.
            RpcError: The server answered with another error, or could not be reached for too long.
        """
        work = MapWork(source, target, encoding, method=method, seeds=seeds, options=options or {}, seed=seed)
        return await self._fold(work, progress, timeout)

    async def project(
        self,
        views: Mapping[str, AnyView],
        components: int = 2,
        *,
        method: str = "pca",
        seed: int = 0,
        progress: ShowProgress | None = None,
        timeout: float | None = None,
        **encoding: Unpack[ViewOptions],
    ) -> Projection:
        """Coordinates of all rows of all views on axes fitted to the views together, layer by layer.

        Args:
            views: At least one view by name: views, lists of texts, or activations, of tokens as well (`encode` with
                the pooling `token`; their ids are those of the texts with `#0`, `#1`, ...). They need not share ids.
            components: Coordinates of a row.
            method: `pca`, or `umap` where the server has its package.
            seed: For umap.
            progress: Called as the work goes on.
            timeout: Seconds for the whole call.
            encoding: How views of texts are encoded (`model`, `layers`, `pooling`, `interventions`, `overflow`,
                `compute_dtype`, `backend`, `max_tokens`), as described by `babelscope.calls.options.ViewOptions`.

        Raises:
            InvalidRequest: `.field` names what is wrong.
            RpcError: The server answered with another error, or could not be reached for too long.
        """
        work = ProjectionWork(views, encoding, components=components, method=method, seed=seed)
        return await self._fold(work, progress, timeout)

    async def score(
        self,
        score: str,
        items: Iterable[Item],
        *,
        language: str = "",
        options: Mapping[str, Any] | None = None,
        item_scores: bool = False,
        progress: ShowProgress | None = None,
        timeout: float | None = None,
    ) -> Scores:
        """Scores of predicted against gold text, spans, tags, trees or labels, with 95 % bootstrap intervals.

        Args:
            score: Name of a score of `list_scores`.
            items: (prediction, gold) pairs; a prediction may be a string. Ids of gold are unique within a language.
            language: BCP 47 language tag, which chooses tokens and normalisers.
            options: Options of the score by name, such as `normaliser="mlqa"`, as `list_scores` gives them.
            item_scores: Also give the scores of each item, for `compare_systems`.
            progress: Called as the work goes on.
            timeout: Seconds for the whole call.

        Raises:
            InvalidRequest: An item cannot be scored, or an option is wrong; `.field` names it.
            ValueError: A text is no UTF-8.
            RpcError: The server answered with another error, or could not be reached for too long.
        """
        work = ScoreWork(score, items, language, options or {}, item_scores)
        return await self._fold(work, progress, timeout)

    async def correlate(
        self,
        x: Iterable[float],
        y: Iterable[float],
        methods: Sequence[str] = (),
        *,
        permutations: int = 0,
        seed: int = 0,
        timeout: float | None = None,
    ) -> dict[str, Correlation]:
        """Correlations of two samples, by method.

        Args:
            x: First sample, at least 3 numbers.
            y: Second sample, of the same length.
            methods: `pearson`, `spearman`, `kendall`; all where empty.
            permutations: Number of random permutations of the test; 10,000 where 0.
            seed: Seed of the permutations.
            timeout: Seconds for the whole call.

        Raises:
            InvalidRequest: A sample is too short, constant or not finite; `.field` names it.
            RpcError: The server answered with another error, or could not be reached for too long.
        """
        request = correlate_request(x, y, methods, permutations, seed)
        return correlations(await self._caller.unary("Correlate", request, timeout))

    async def anova(self, groups: Mapping[str, Iterable[float]], *, timeout: float | None = None) -> Anova:
        """One-way analysis of variance with its effect sizes.

        Args:
            groups: Numbers by name of the group, at least two groups.
            timeout: Seconds for the whole call.

        Raises:
            InvalidRequest: There are too few groups or numbers, or no variance within the groups.
            RpcError: The server answered with another error, or could not be reached for too long.
        """
        return Anova.from_proto(await self._caller.unary("Anova", anova_request(groups), timeout))

    async def compare_systems(
        self,
        first: Iterable[float],
        second: Iterable[float],
        *,
        resamples: int = 0,
        seed: int = 0,
        timeout: float | None = None,
    ) -> Difference:
        """Paired bootstrap between two systems scored on the same items.

        Args:
            first: The first system's score of each item.
            second: The second system's, in the same order.
            resamples: Samples drawn; 10,000 where 0.
            seed: Seed of the bootstrap samples.
            timeout: Seconds for the whole call.

        Raises:
            InvalidRequest: The lists differ in length, are too short or not finite.
            RpcError: The server answered with another error, or could not be reached for too long.
        """
        request = systems_request(first, second, resamples, seed)
        return Difference.from_proto(await self._caller.unary("CompareSystems", request, timeout))

    async def list_measures(self, *, timeout: float | None = None) -> list[MeasureInfo]:
        """The measures of similarity that the server offers, by name.

        Raises:
            RpcError: The server answered with an error, or could not be reached for too long.
        """
        pages = await self._pages("ListMeasures", metrics_pb2.ListMeasuresRequest, timeout)
        return [MeasureInfo.from_proto(each) for page in pages for each in page.measures]

    async def list_map_methods(self, *, timeout: float | None = None) -> list[MapMethodInfo]:
        """The methods of fitting a map that the server offers, by name.

        Raises:
            RpcError: The server answered with an error, or could not be reached for too long.
        """
        pages = await self._pages("ListMapMethods", metrics_pb2.ListMapMethodsRequest, timeout)
        return [MapMethodInfo.from_proto(each) for page in pages for each in page.methods]

    async def list_scores(self, *, timeout: float | None = None) -> list[ScoreInfo]:
        """The scores that the server offers, by name.

        Raises:
            RpcError: The server answered with an error, or could not be reached for too long.
        """
        pages = await self._pages("ListScores", metrics_pb2.ListScoresRequest, timeout)
        return [ScoreInfo.from_proto(each) for page in pages for each in page.scores]

    async def _fold(self, work: Repeatable[Answer], progress: ShowProgress | None, timeout: float | None) -> Answer:
        """The answers of a call, folded into one."""
        call = FoldedCall(work, progress)
        async for _ in self._caller.stream(call, timeout):
            pass
        return call.answer

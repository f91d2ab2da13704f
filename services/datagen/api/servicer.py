"""The door of the datagen service: messages to domain calls and back."""

from collections.abc import AsyncIterator
from contextlib import aclosing, closing
from functools import partial
from typing import Any, Final

from babelscope.v1 import datagen_pb2, datagen_pb2_grpc

from services.datagen.api import messages
from services.datagen.datasets.distinct import Distinct
from services.datagen.datasets.stored import DatasetInfo, Datasets, Description
from services.datagen.grammar import corpus
from services.datagen.pipeline import jobs
from services.datagen.pipeline.resources import ServiceResources
from services.datagen.pipeline.steps import Pipeline
from services.datagen.settings import DatagenSettings
from services.datagen.translation.registry import Translators
from services.runtime.errors import InvalidArgument, LimitExceeded
from services.runtime.paging import cut_page, read_page
from services.runtime.rpc.listing import named_page
from services.runtime.streams import first
from services.runtime.work import Feed, Workers

_TICK_SECONDS: Final = 0.5


class DatagenServicer(datagen_pb2_grpc.DatagenServiceServicer):
    """Answers `babelscope.v1.DatagenService`.

    Args:
        settings: Limits and folders.
        datasets: Datasets of the store.
        workers: Threads for the work.
        translators: For the transforms.
    """

    def __init__(
        self, settings: DatagenSettings, datasets: Datasets, workers: Workers, translators: Translators
    ) -> None:
        self._settings, self._datasets, self._workers = settings, datasets, workers
        self._translators = translators

    async def PutDataset(  # noqa: N802 - gRPC's name
        self, request_iterator: AsyncIterator[datagen_pb2.PutDatasetRequest], context: Any
    ) -> datagen_pb2.Dataset:
        """Stores a dataset."""
        del context
        spec = await first(request_iterator)
        title = messages.read_title(spec.title, "spec.title")

        def put(feed: Feed[Any]) -> DatasetInfo:
            return self._datasets.put(messages.read_examples(feed), title)

        return messages.write_dataset(await self._workers.one(put, request_iterator))

    async def GetDataset(  # type: ignore[override]  # noqa: N802 - gRPC's name; it writes instead of yielding
        self, request: datagen_pb2.GetDatasetRequest, context: Any
    ) -> None:
        """The examples of a dataset."""

        def read(feed: Feed[Any]) -> Any:
            for portion in jobs.stored(self._datasets, request.name, feed.check):
                yield datagen_pb2.GetDatasetResponse(examples=messages.write_examples(portion).examples)

        async with aclosing(self._workers.run(read)) as work:
            async for message in work:
                await context.write(message)

    async def ListDatasets(  # noqa: N802 - gRPC's name
        self, request: datagen_pb2.ListDatasetsRequest, context: Any
    ) -> datagen_pb2.ListDatasetsResponse:
        """A page of datasets."""
        del context
        size, after = read_page(request.page_size, request.page_token)

        def page() -> tuple[list[datagen_pb2.Dataset], str]:
            names, token = cut_page(self._datasets.names(), size, after, lambda name: (name,))
            return [messages.write_dataset(self._datasets.get(name)) for name in names], token

        datasets, token = await self._workers.call(page)
        return datagen_pb2.ListDatasetsResponse(datasets=datasets, next_page_token=token)

    async def DeleteDataset(  # noqa: N802 - gRPC's name
        self, request: datagen_pb2.DeleteDatasetRequest, context: Any
    ) -> datagen_pb2.DeleteDatasetResponse:
        """Removes a dataset."""
        del context
        await self._workers.call(partial(self._datasets.delete, request.name))
        return datagen_pb2.DeleteDatasetResponse()

    async def DescribeDataset(  # noqa: N802 - gRPC's name
        self, request: datagen_pb2.DescribeDatasetRequest, context: Any
    ) -> datagen_pb2.DatasetDescription:
        """What is in a dataset."""
        del context
        samples = request.samples or messages.DEFAULT_SAMPLES
        if not 0 <= samples <= self._settings.max_samples:
            problem = f"Expected `samples` within 0..{self._settings.max_samples}, but got {samples}"
            raise InvalidArgument("samples", problem)

        def describe(feed: Feed[Any]) -> Description:
            return self._datasets.describe(request.name, samples, feed.check)

        return messages.write_description(await self._workers.one(describe))

    async def Transform(  # type: ignore[override]  # noqa: N802 - gRPC's name; it writes instead of yielding
        self, request_iterator: AsyncIterator[datagen_pb2.TransformRequest], context: Any
    ) -> None:
        """Examples through a list of transforms."""
        spec = await first(request_iterator)
        steps = messages.read_steps(spec, self._settings)
        title = messages.read_title(spec.store_as, "spec.store_as")
        tally = jobs.Tally()
        offsets = steps[0].name != messages.RECOVER
        answer = datagen_pb2.TransformResponse

        def work(feed: Feed[Any]) -> Any:
            resources = ServiceResources(self._settings.dictionary_roots, self._datasets, self._translators)
            pipeline = Pipeline(steps, resources, spec.seed, self._settings.scratch_dir)
            with closing(Distinct(self._settings.scratch_dir)) as distinct:
                source: Any = messages.read_examples(feed, offsets=offsets, distinct=distinct)
                if spec.dataset:
                    source = resources.dataset(spec.dataset)
                for item in jobs.transform(pipeline, source, title, self._datasets, tally=tally, check=feed.check):
                    if isinstance(item, jobs.Done):
                        yield answer(report=messages.write_report(item.steps, item.dataset))
                    else:
                        yield answer(examples=messages.write_examples(item))

        await self._answer(context, answer, work, tally, None if spec.dataset else request_iterator)

    async def GenerateCorpus(  # type: ignore[override]  # noqa: N802 - gRPC's name; it writes instead of yielding
        self, request: datagen_pb2.GenerateCorpusRequest, context: Any
    ) -> None:
        """Parallel sentences of the grammar."""
        title = messages.read_title(request.store_as, "store_as")
        if request.size > self._settings.max_generated:
            problem = f"Expected at most {self._settings.max_generated} a language, but got {request.size}"
            raise LimitExceeded("max_generated", problem)
        tally = jobs.Tally()
        answer = datagen_pb2.GenerateCorpusResponse

        def work(feed: Feed[Any]) -> Any:
            made = corpus.generate(
                request.languages,
                request.size,
                request.seed,
                request.kind or corpus.KINDS[0],
                request.depth or corpus.DEFAULT_DEPTH,
                request.domain or corpus.DOMAINS[0],
                request.words or corpus.WORDS[0],
            )
            total = request.size * len(set(request.languages) or corpus.LANGUAGES)
            for item in jobs.generate(made, total, title, self._datasets, tally=tally, check=feed.check):
                if not isinstance(item, jobs.Done):
                    yield answer(examples=messages.write_examples(item))
                elif item.dataset is not None:
                    yield answer(dataset=messages.write_dataset(item.dataset))

        await self._answer(context, answer, work, tally, None)

    async def ListTransforms(  # noqa: N802 - gRPC's name
        self, request: datagen_pb2.ListTransformsRequest, context: Any
    ) -> datagen_pb2.ListTransformsResponse:
        """A page of transforms."""
        del context
        page, token = named_page(request, messages.write_transforms())
        return datagen_pb2.ListTransformsResponse(transforms=page, next_page_token=token)

    async def _answer(self, context: Any, kind: Any, work: Any, tally: jobs.Tally, requests: Any) -> None:
        """Writes what a job yields, and its progress while it yields nothing, and once before its end."""
        progress = partial(messages.write_progress, tally)
        async with aclosing(self._workers.run(work, requests, tick=_TICK_SECONDS)) as items:
            async for item in items:
                if item is None or not item.HasField("examples"):
                    await context.write(kind(progress=progress()))
                if item is not None:
                    await context.write(item)

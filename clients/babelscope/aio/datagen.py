"""The asynchronous client of the datagen server."""

from collections.abc import AsyncIterator, Iterable, Iterator, Sequence
from typing import ClassVar

from babelscope.aio.client import AsyncClient
from babelscope.calls.datagen import AnyStep, Job, put_requests, transform_job
from babelscope.data.activations import ShowProgress
from babelscope.data.capabilities import TransformInfo
from babelscope.data.datasets import Dataset, DatasetDescription, StepReport
from babelscope.data.examples import Example
from babelscope.transport.services import DATAGEN, Service
from babelscope.v1 import datagen_pb2, datagen_pb2_grpc


class AsyncExampleStream:
    """Examples as they come, once; afterwards what the server reports.

    Args:
        job: The call.
        examples: Its examples.
    """

    def __init__(self, job: Job, examples: AsyncIterator[Example]) -> None:
        self._job, self._examples = job, examples

    def __aiter__(self) -> AsyncIterator[Example]:
        return self._examples

    @property
    def steps(self) -> tuple[StepReport, ...]:
        """What each step of the pipeline did; known when all examples have been read."""
        return self._job.steps

    @property
    def dataset(self) -> Dataset | None:
        """The dataset that was stored; known when the stream has been read."""
        return self._job.dataset

    async def finish(self) -> "AsyncExampleStream":
        """Reads on to the end and leaves out what comes: for calls that store their result."""
        async for _ in self._examples:
            pass
        return self


class AsyncDatagenClient(AsyncClient):
    """Asks the datagen server for corpora. Tasks of one loop may share one client.

    Args:
        config: Address of the server and how to speak to it; a plain address will do.
        channel: The transport; opened to the configured address where None.
    """

    _service: ClassVar[Service] = DATAGEN
    _stub = datagen_pb2_grpc.DatagenServiceStub

    async def put_dataset(
        self, examples: Iterable[Example], *, title: str = "", timeout: float | None = None
    ) -> Dataset:
        """Stores examples under the digest of their contents.

        Args:
            examples: At least one example, with ids that are unique within a language. An iterator is read once, so
                that a broken call is not tried again; a call with a list is.
            title: For people; no part of the digest.
            timeout: Seconds for the whole call.

        Raises:
            InvalidRequest: An example is wrong; `.field` names it. Nothing is stored.
            ValueError: A text is no UTF-8.
            RpcError: The server answered with another error, or could not be reached for too long.
        """
        message = await self._caller.unary(
            "PutDataset",
            lambda: put_requests(examples, title),
            self._caller.stream_timeout(timeout),
            repeatable=not isinstance(examples, Iterator),
        )
        return Dataset.from_proto(message)

    def get_dataset(self, name: str, *, timeout: float | None = None) -> AsyncExampleStream:
        """The examples of a dataset, as they come.

        Raises:
            NotFound: There is no such dataset.
            RpcError: The server answered with another error, or could not be reached for too long.
        """
        return self._open(Job("GetDataset", "read", datagen_pb2.GetDatasetRequest(name=name)), timeout)

    async def list_datasets(self, *, timeout: float | None = None) -> list[Dataset]:
        """All datasets, by name.

        Raises:
            RpcError: The server answered with an error, or could not be reached for too long.
        """
        pages = await self._pages("ListDatasets", datagen_pb2.ListDatasetsRequest, timeout)
        return [Dataset.from_proto(each) for page in pages for each in page.datasets]

    async def delete_dataset(self, name: str, *, timeout: float | None = None) -> None:
        """Removes a dataset from the store.

        Raises:
            NotFound: There is no such dataset. Where the answer to a first attempt was lost, it may be gone already.
            RpcError: The server answered with another error, or could not be reached.
        """
        await self._caller.unary("DeleteDataset", datagen_pb2.DeleteDatasetRequest(name=name), timeout)

    async def describe_dataset(
        self, name: str, *, samples: int = 5, timeout: float | None = None
    ) -> DatasetDescription:
        """What is in a dataset: it is read for this.

        Raises:
            NotFound: There is no such dataset.
            RpcError: The server answered with another error, or could not be reached for too long.
        """
        request = datagen_pb2.DescribeDatasetRequest(name=name, samples=samples)
        message = await self._caller.unary("DescribeDataset", request, self._caller.stream_timeout(timeout))
        return DatasetDescription.from_proto(message)

    async def list_transforms(self, *, timeout: float | None = None) -> list[TransformInfo]:
        """The transforms that the server offers, by name.

        Raises:
            RpcError: The server answered with an error, or could not be reached for too long.
        """
        pages = await self._pages("ListTransforms", datagen_pb2.ListTransformsRequest, timeout)
        return [TransformInfo.from_proto(each) for page in pages for each in page.transforms]

    def transform(
        self,
        examples: Iterable[Example] | str,
        steps: Sequence[AnyStep],
        *,
        seed: int = 0,
        store_as: str = "",
        progress: ShowProgress | None = None,
        timeout: float | None = None,
    ) -> AsyncExampleStream:
        """Examples through a pipeline: `[each async for each in client.transform(examples, ["reorder:order=sov"])]`.

        Args:
            examples: Examples, or the name of a dataset.
            steps: Steps in order: `Step`, or `NAME:key=value,...`.
            seed: All randomness comes from it and the examples' ids.
            store_as: Title of a dataset that keeps the result, which is then not streamed back.
            progress: Called as the work goes on.
            timeout: Seconds for the whole call.

        Raises:
            InvalidRequest: `.field` names the step, the option or the example that is wrong.
            RpcError: The server answered with another error, or could not be reached for too long.
        """
        return self._open(transform_job(examples, steps, seed, store_as, progress), timeout)

    def generate_corpus(
        self,
        languages: Sequence[str] = (),
        size: int = 1000,
        *,
        seed: int = 0,
        kind: str = "sentences",
        depth: int = 0,
        domain: str = "",
        words: str = "",
        store_as: str = "",
        progress: ShowProgress | None = None,
        timeout: float | None = None,
    ) -> AsyncExampleStream:
        """A parallel corpus of the multilingual grammar.

        Args:
            languages: Tags; all that the grammar has where empty.
            size: Items a language.
            seed: The same request gives the same corpus.
            kind: `sentences`, `ner`, `nli`, `qa`; `documents`, running text; `dictionary`, word pairs from the first
                language to each of the others, with weights as `size` sentences give them; `lexicon`, the same with
                function words.
            depth: Deepest nesting of clauses; 2 where 0.
            domain: `everyday`, or the grammar's other domain.
            words: `topics`: an item stays with one or two topics, and verbs and adjectives prefer some nouns;
                `classes`: words are drawn by class and rank alone; `topics` where empty.
            store_as: Title of a dataset that keeps the result, which is then not streamed back.
            progress: Called as the work goes on.
            timeout: Seconds for the whole call.

        Raises:
            InvalidRequest: `.field` names what is wrong.
            RpcError: The server answered with another error, or could not be reached for too long.
        """
        request = datagen_pb2.GenerateCorpusRequest(
            languages=languages,
            size=size,
            seed=seed,
            kind=kind,
            depth=depth,
            domain=domain,
            words=words,
            store_as=store_as,
        )
        job = Job("GenerateCorpus", "generate", request, ends=bool(store_as), progress=progress)
        return self._open(job, timeout)

    def _open(self, job: Job, timeout: float | None) -> AsyncExampleStream:
        """A stream of examples; it calls when it is first read."""
        return AsyncExampleStream(job, self._caller.stream(job, timeout))

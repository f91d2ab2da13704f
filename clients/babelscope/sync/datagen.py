"""The synchronous client of the datagen server."""

import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial
from typing import Any

import grpc

from babelscope.calls.datagen import AnyStep, DatagenBase, Job, ShowProgress, same
from babelscope.data.datasets import Dataset, DatasetDescription, StepReport, TransformInfo
from babelscope.data.examples import Example
from babelscope.transport.channel import ClientConfig, open_channel
from babelscope.transport.failure import Failure
from babelscope.v1 import datagen_pb2, datagen_pb2_grpc


class ExampleStream:
    """Examples as they come, once; afterwards what the server reports.

    Args:
        job: The call.
        examples: Its examples.
    """

    def __init__(self, job: Job, examples: Iterator[Example]) -> None:
        self._job, self._examples = job, examples

    def __iter__(self) -> Iterator[Example]:
        return self._examples

    @property
    def steps(self) -> tuple[StepReport, ...]:
        """What each step of the pipeline did; known when all examples have been read."""
        return self._job.steps

    @property
    def dataset(self) -> Dataset | None:
        """The dataset that was stored; known when the stream has been read."""
        return self._job.dataset

    def finish(self) -> "ExampleStream":
        """Reads on to the end and leaves out what comes: for calls that store their result."""
        for _ in self._examples:
            pass
        return self


class DatagenClient(DatagenBase):
    """Asks the datagen server for corpora. Threads may share one client.

    Args:
        config: Where the server is, and how to speak to it; an address alone will do.
        channel: The transport; opened to the configured address where None.
    """

    def __init__(self, config: ClientConfig | str, *, channel: grpc.Channel | None = None) -> None:
        super().__init__(config)
        self._channel = channel or open_channel(self._config)
        self._stub = datagen_pb2_grpc.DatagenServiceStub(self._channel)

    def close(self) -> None:
        """Closes the channel."""
        self._channel.close()

    def put_dataset(self, examples: Iterable[Example], *, title: str = "", timeout: float | None = None) -> Dataset:
        """Stores examples under the digest of their contents.

        Args:
            examples: At least one, with ids that are unique within a language. An iterator is read once, so that a
                broken call is not tried again; a list is.
            title: For people; no part of the digest.
            timeout: Seconds for the whole call.

        Raises:
            InvalidRequest: An example is wrong; `.field` names it. Nothing is stored.
            ValueError: A text is no UTF-8.
            RpcError: The server answered with another error, or could not be reached for too long.
        """
        message: datagen_pb2.Dataset = self._call(
            "PutDataset",
            self._stub.PutDataset,
            lambda: self._put_requests(examples, title),
            self._stream_timeout(timeout),
            once=isinstance(examples, Iterator),
        )
        return Dataset.from_proto(message)

    def get_dataset(self, name: str, *, timeout: float | None = None) -> ExampleStream:
        """The examples of a dataset, as they come.

        Raises:
            NotFound: There is no such dataset.
            RpcError: The server answered with another error, or could not be reached for too long.
        """
        return self._open(self._stub.GetDataset, self._get_job(name), timeout)

    def list_datasets(self, *, timeout: float | None = None) -> list[Dataset]:
        """All datasets, by name.

        Raises:
            RpcError: The server answered with an error, or could not be reached for too long.
        """
        found: list[Dataset] = []
        token = ""
        while True:
            request = datagen_pb2.ListDatasetsRequest(page_size=1000, page_token=token)
            page = self._call("ListDatasets", self._stub.ListDatasets, partial(same, request), timeout)
            found += map(Dataset.from_proto, page.datasets)
            token = page.next_page_token
            if not token:
                return found

    def describe_dataset(self, name: str, *, samples: int = 5, timeout: float | None = None) -> DatasetDescription:
        """What is in a dataset: it is read for this.

        Raises:
            NotFound: There is no such dataset.
            RpcError: The server answered with another error, or could not be reached for too long.
        """
        request = datagen_pb2.DescribeDatasetRequest(name=name, samples=samples)
        timeout = self._stream_timeout(timeout)
        message = self._call("DescribeDataset", self._stub.DescribeDataset, lambda: request, timeout)
        return DatasetDescription.from_proto(message)

    def list_transforms(self, *, timeout: float | None = None) -> list[TransformInfo]:
        """The transforms that the server offers, by name.

        Raises:
            RpcError: The server answered with an error, or could not be reached for too long.
        """
        request = datagen_pb2.ListTransformsRequest(page_size=1000)
        page = self._call("ListTransforms", self._stub.ListTransforms, lambda: request, timeout)
        return [TransformInfo.from_proto(each) for each in page.transforms]

    def transform(
        self,
        examples: Iterable[Example] | str,
        steps: Sequence[AnyStep],
        *,
        seed: int = 0,
        store_as: str = "",
        progress: ShowProgress | None = None,
        timeout: float | None = None,
    ) -> ExampleStream:
        """Examples through a pipeline: `list(client.transform(examples, ["reorder:order=sov"]))`.

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
        job = self._transform_job(examples, steps, seed, store_as, progress)
        return self._open(self._stub.Transform, job, timeout)

    def generate_corpus(
        self,
        languages: Sequence[str] = (),
        size: int = 1000,
        *,
        seed: int = 0,
        kind: str = "sentences",
        depth: int = 0,
        domain: str = "",
        store_as: str = "",
        progress: ShowProgress | None = None,
        timeout: float | None = None,
    ) -> ExampleStream:
        """A parallel corpus of the multilingual grammar.

        Args:
            languages: Tags; all that the grammar has where empty.
            size: Items a language.
            seed: The same request gives the same corpus.
            kind: `sentences`, `ner`, `nli`, `qa`.
            depth: Deepest nesting of clauses; 2 where 0.
            domain: `everyday`, or the grammar's other domain.
            store_as: Title of a dataset that keeps the result, which is then not streamed back.
            progress: Called as the work goes on.
            timeout: Seconds for the whole call.

        Raises:
            InvalidRequest: `.field` names what is wrong.
            RpcError: The server answered with another error, or could not be reached for too long.
        """
        job = self._generate_job(
            languages, size, seed=seed, kind=kind, depth=depth, domain=domain, store_as=store_as, progress=progress
        )
        return self._open(self._stub.GenerateCorpus, job, timeout)

    def _open(self, method: Callable[..., Any], job: Job, timeout: float | None) -> ExampleStream:
        """A stream of examples."""
        return ExampleStream(job, self._run(method, job, self._stream_timeout(timeout)))

    def _run(self, method: Callable[..., Any], job: Job, timeout: float | None) -> Iterator[Example]:
        """All attempts of one call; each leaves out what an earlier one gave."""
        retry = self._retry(timeout)
        request_id = self._config.new_request_id()
        metadata = self._config.metadata(request_id)
        while True:
            job.begin()
            failure = Failure()
            request = failure.guard(job.requests()) if job.streams else job.first
            call = failure.of(method(request, timeout=retry.remaining(), metadata=metadata))
            try:
                fresh = True
                for response in call:
                    if fresh:
                        retry.accepted()
                        fresh = False
                    retry.alive()
                    examples = job.receive(response)
                    if examples:
                        retry.progressed()
                        yield from examples
                failure.check()
                job.finish()
                return
            except grpc.RpcError as error:
                broken = error
            finally:
                call.cancel()
            failure.check()
            translated = self._translate(broken, job.method, request_id)
            if not job.repeatable:
                raise translated
            time.sleep(retry.delay(translated))

    def _call(
        self, name: str, method: Any, request: Callable[[], Any], timeout: float | None, *, once: bool = False
    ) -> Any:
        """All attempts of a call with one answer; `request` makes its message, or the iterator of them, anew."""
        retry = self._retry(self._config.timeout if timeout is None else timeout)
        request_id = self._config.new_request_id()
        metadata = self._config.metadata(request_id)
        while True:
            failure = Failure()
            sent = request()
            if isinstance(sent, Iterator):
                sent = failure.guard(sent)
            call = failure.of(method.future(sent, timeout=retry.remaining(), metadata=metadata))
            try:
                answer = call.result()
            except grpc.FutureCancelledError:
                failure.check()
                raise
            except grpc.RpcError as error:
                broken = error
            else:
                retry.alive()
                return answer
            finally:
                call.cancel()
            failure.check()
            translated = self._translate(broken, name, request_id)
            if once:
                raise translated
            time.sleep(retry.delay(translated))

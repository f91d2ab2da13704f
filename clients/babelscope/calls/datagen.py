"""What the twins of the datagen client share: requests, and streams of examples that go on after a break."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

from babelscope.data.activations import Progress, ShowProgress
from babelscope.data.datasets import Dataset, Step, StepReport
from babelscope.data.example_messages import batches, from_proto
from babelscope.data.examples import Example
from babelscope.errors import DataCorrupted
from babelscope.v1 import datagen_pb2

AnyStep = Step | str | tuple[str, dict[str, str]]


class Job:
    """One call whose answer is a stream of examples, which can be made again where its input can.

    What the server gives is the same each time; a repeated call therefore leaves out what has been given before.

    Args:
        method: Name of the call.
        stage: What the work is called in progress.
        first: The request; or the first of a stream.
        examples: What follows in the stream; None where the request is a single message.
        message: Makes a message of examples.
        ends: Whether the answer ends with a report.
        progress: Called as the work goes on.
    """

    def __init__(
        self,
        method: str,
        stage: str,
        first: Any,
        *,
        examples: Iterable[Example] | None = None,
        message: Callable[..., Any] | None = None,
        ends: bool = False,
        progress: ShowProgress | None = None,
    ) -> None:
        self.method = method
        self.first = first
        self.steps: tuple[StepReport, ...] = ()
        self.dataset: Dataset | None = None
        self._stage, self._examples, self._message = stage, examples, message
        self._ends, self._ended = ends, False
        self._progress = progress
        self._given = 0
        self._skip = 0

    @property
    def repeatable(self) -> bool:
        """Whether the call can be made again: its examples are not a stream that is gone once read."""
        return self._examples is None or not isinstance(self._examples, Iterator)

    def begin(self) -> Any:
        """The request of a new attempt: a message, or an iterator of messages."""
        self._skip = self._given
        return self.first if self._message is None else self._requests(self._message)

    def receive(self, response: Any) -> list[Example]:
        """The examples of a message that have not been given before."""
        if isinstance(response, datagen_pb2.GetDatasetResponse):
            return self._fresh(response.examples)
        match response.WhichOneof("message"):
            case "examples":
                return self._fresh(response.examples.examples)
            case "progress" if self._progress is not None:
                told = response.progress
                self._progress(Progress(self._stage, told.read, told.total, f"{told.written} written"))
            case "report":
                self._ended = True
                self.steps = tuple(map(StepReport.from_proto, response.report.steps))
                if response.report.HasField("dataset"):
                    self.dataset = Dataset.from_proto(response.report.dataset)
            case "dataset":
                self._ended = True
                self.dataset = Dataset.from_proto(response.dataset)
        return []

    def finish(self) -> None:
        """The stream is over.

        Raises:
            DataCorrupted: It lacks its end.
        """
        if self._ends and not self._ended:
            raise DataCorrupted("Expected a report at the end of the answer, but got none", method=self.method)

    def _requests(self, message: Callable[..., Any]) -> Iterator[Any]:
        yield self.first
        for portion in batches(self._examples or ()):
            yield message(examples=portion)

    def _fresh(self, examples: Sequence[Any]) -> list[Example]:
        skipped = min(self._skip, len(examples))
        self._skip -= skipped
        self._given += len(examples) - skipped
        return [from_proto(each) for each in examples[skipped:]]


def put_requests(examples: Iterable[Example], title: str) -> Iterator[datagen_pb2.PutDatasetRequest]:
    """All messages of a put."""
    yield datagen_pb2.PutDatasetRequest(spec=datagen_pb2.PutDatasetSpec(title=title))
    for portion in batches(examples):
        yield datagen_pb2.PutDatasetRequest(examples=portion)


def transform_job(
    examples: Iterable[Example] | str,
    steps: Sequence[AnyStep],
    seed: int,
    store_as: str,
    progress: ShowProgress | None,
) -> Job:
    """Examples, or a dataset by name, through a pipeline."""
    dataset = examples if isinstance(examples, str) else ""
    spec = datagen_pb2.TransformSpec(
        steps=[_step(each).to_proto() for each in steps], dataset=dataset, seed=seed, store_as=store_as
    )
    return Job(
        "Transform",
        "transform",
        datagen_pb2.TransformRequest(spec=spec),
        examples=None if isinstance(examples, str) else examples,
        message=datagen_pb2.TransformRequest,
        ends=True,
        progress=progress,
    )


def _step(step: AnyStep) -> Step:
    if isinstance(step, str):
        return Step.parse(step)
    return step if isinstance(step, Step) else Step(*step)

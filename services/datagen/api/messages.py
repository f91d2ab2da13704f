"""Messages to domain objects, checked field by field, and back."""

from collections.abc import Iterable, Iterator
from typing import Any

from babelscope.data.example_messages import from_proto, to_proto
from babelscope.data.examples import Example
from babelscope.v1 import datagen_pb2

from services.datagen.counts import StepReport
from services.datagen.datasets.checks import check_example
from services.datagen.datasets.distinct import Distinct
from services.datagen.datasets.stored import DatasetInfo, Description
from services.datagen.pipeline.jobs import Tally
from services.datagen.pipeline.steps import Step
from services.datagen.settings import DatagenSettings
from services.datagen.transforms.registry import TRANSFORMS, describe_options
from services.runtime.errors import InvalidArgument, LimitExceeded
from services.runtime.options import given
from services.runtime.rpc.listing import option_messages
from services.runtime.streams import later

DEFAULT_SAMPLES = 5
RECOVER = "recover_answers"
_LONGEST_TITLE = 1000


def read_examples(
    messages: Iterable[Any], *, offsets: bool = True, distinct: Distinct | None = None
) -> Iterator[Example]:
    """Yields the examples of a stream after its first message.

    Args:
        messages: Messages of the stream.
        offsets: Whether answers must stand where they say.
        distinct: Remembers their ids, which must not repeat within a language; None where who reads them sees to it.

    Raises:
        InvalidArgument: A message holds something else, an example is wrong or its id repeats; the field names the
            example.
    """
    place = 0
    for message in messages:
        portion = later(message, "examples").examples
        if distinct is not None:
            distinct.add([(one.id, one.language) for one in portion if one.id])
        for one in portion:
            if one.WhichOneof("content") is None:
                problem = "Expected text, sentence, pair or question, but got none"
                raise InvalidArgument(f"examples[{one.id or place}].content", problem)
            example = from_proto(one)
            check_example(example, place, offsets=offsets)
            yield example
            place += 1


def read_title(title: str, field: str) -> str:
    """A title for people.

    Raises:
        InvalidArgument: It is too long.
    """
    if len(title) > _LONGEST_TITLE:
        raise InvalidArgument(field, f"Expected at most {_LONGEST_TITLE} characters, but got {len(title)}")
    return title


def read_steps(spec: datagen_pb2.TransformSpec, settings: DatagenSettings) -> list[Step]:
    """The steps of a pipeline.

    Raises:
        InvalidArgument: There is none.
        LimitExceeded: There are too many.
    """
    if not spec.steps:
        raise InvalidArgument("spec.steps", "Expected at least one step, but got none")
    if len(spec.steps) > settings.max_steps:
        problem = f"Expected at most {settings.max_steps} steps, but got {len(spec.steps)}"
        raise LimitExceeded("max_steps", problem)
    return [
        Step(step.name, given(step.options, f"spec.steps[{place}].options")) for place, step in enumerate(spec.steps)
    ]


def write_examples(examples: Iterable[Example]) -> datagen_pb2.Examples:
    """A message of examples.

    Raises:
        InvalidArgument: A text cannot be written as UTF-8; names the example.
    """
    try:
        return datagen_pb2.Examples(examples=[to_proto(example) for example in examples])
    except ValueError as error:
        raise InvalidArgument("examples", str(error)) from error


def write_dataset(info: DatasetInfo) -> datagen_pb2.Dataset:
    """The message of a dataset."""
    return datagen_pb2.Dataset(
        name=info.name, title=info.title, examples=info.examples, languages=info.languages, bytes=info.bytes
    )


def write_description(description: Description) -> datagen_pb2.DatasetDescription:
    """The message of a description."""
    return datagen_pb2.DatasetDescription(
        dataset=write_dataset(description.dataset),
        languages=description.languages,
        kinds=description.kinds,
        labels=description.labels,
        lengths=[datagen_pb2.HistogramBin(low=low, high=high, count=n) for low, high, n in description.lengths],
        samples=[to_proto(example) for example in description.samples],
    )


def write_progress(tally: Tally) -> datagen_pb2.DatagenProgress:
    """The message of progress."""
    return datagen_pb2.DatagenProgress(read=tally.read, written=tally.written, total=tally.total)


def write_report(steps: Iterable[StepReport], dataset: DatasetInfo | None) -> datagen_pb2.TransformReport:
    """The message of a pipeline's report."""
    return datagen_pb2.TransformReport(
        steps=[
            datagen_pb2.StepReport(name=step.name, counts=dict(step.counts), warnings=step.warnings) for step in steps
        ],
        dataset=None if dataset is None else write_dataset(dataset),
    )


def write_transforms() -> list[datagen_pb2.TransformInfo]:
    """The messages of all transforms."""
    return [
        datagen_pb2.TransformInfo(name=name, summary=kind.summary, options=option_messages(describe_options(name)))
        for name, kind in TRANSFORMS.items()
    ]

"""Requests to the trainer, and the streams of its events and predictions, which go on after a break."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, Final, TypedDict

from babelscope.data.example_messages import from_proto, to_proto
from babelscope.data.examples import Example
from babelscope.data.jobs import JobEvent
from babelscope.data.jobs.alignment import Adversary
from babelscope.data.models import Intervention, Model, choose
from babelscope.errors import DataCorrupted
from babelscope.v1 import trainer_pb2

Sets = Mapping[str, str] | Sequence[tuple[str, str]]
"""Names of stored datasets by language tag; `en/literature` is a set of another domain. Pairs where a language has
several training sets; those that are scored differ in language or domain."""

_DTYPES: Final = {
    "float32": trainer_pb2.TRAINING_DTYPE_F32,
    "bfloat16": trainer_pb2.TRAINING_DTYPE_BF16,
}
_SCHEDULES: Final = {
    "linear": trainer_pb2.SCHEDULE_LINEAR,
    "inverse_sqrt": trainer_pb2.SCHEDULE_INVERSE_SQRT,
    "constant": trainer_pb2.SCHEDULE_CONSTANT,
}


class OptimisationOptions(TypedDict, total=False):
    """How any model is trained."""

    max_steps: int
    """Most optimiser steps."""
    step_tokens: int
    """Tokens of an optimiser step."""
    accumulation: int
    """Batches accumulated into a step."""
    warmup: float
    """Share of the steps in which the learning rate rises from zero."""
    schedule: str
    """Course of the learning rate after the warm-up: `linear`, `inverse_sqrt` or `constant`."""
    weight_decay: float
    """Weight decay of matrices."""
    clip: float
    """Largest norm of the gradient; no bound where 0."""
    dropout: float
    """Dropout of hidden states and attention; the model's own where not given."""
    dtype: str
    """Arithmetic: `float32` or `bfloat16`."""
    evaluations: int
    """Evaluations on the development sets an epoch."""
    patience: int
    """Evaluations without improvement after which training stops."""
    workers: int
    """Processes that share out each step; `step_tokens` are those of all of them."""


class FineTuneOptions(OptimisationOptions, total=False):
    """How a model is fine-tuned. What is left out has the server's default, which the contract names."""

    options: Mapping[str, str]
    """Options of the task by name."""
    freeze_embeddings: bool
    """Whether the embeddings are frozen."""
    freeze_layers: int
    """Number of layers frozen from the first on."""
    freeze_patterns: Sequence[str]
    """Patterns of tensor names that are frozen."""
    learning_rate: float
    """Peak learning rate of the encoder."""
    head_learning_rate: float
    """Peak learning rate of the task's head."""
    epochs: float
    """Passes over the training examples."""
    seed: int
    """Seed of the order of the data, of dropout and of the head's weights."""
    max_tokens: int
    """Longest input in tokens; the model's longest where 0."""
    interventions: Sequence[Intervention]
    """Interventions on the hidden states while training and scoring."""
    language_interventions: Mapping[str, Sequence[Intervention]]
    """Interventions on the texts of single languages, by language tag, behind `interventions`."""
    adversary: Adversary | None
    """Alignment of a layer by a discriminator."""


class JobOptions(TypedDict, total=False):
    """How a job is entered."""

    request_id: str
    """Id that makes a repeated call harmless."""
    priority: int
    """Jobs of higher priority are started first."""
    labels: Mapping[str, str]
    """Labels by name, for people and filters."""
    parent: str
    """`jobs/ID` of the running job that enters it, and with which it is cancelled."""
    timeout: float | None
    """Seconds for the call."""


_OPTIMISATION: Final = (
    "learning_rate",
    "head_learning_rate",
    "epochs",
    "max_steps",
    "step_tokens",
    "accumulation",
    "warmup",
    "weight_decay",
    "clip",
    "dropout",
    "seed",
    "evaluations",
    "patience",
    "workers",
)


_POSITIVE: Final = frozenset(
    {"learning_rate", "head_learning_rate", "epochs", "step_tokens", "accumulation", "evaluations", "workers"}
)
"""Numbers whose zero would mean the server's default, which is not what a caller who writes 0 wants."""


def fine_tune_spec(
    model: Model | str, task: str, how: Mapping[str, Any], *, train: Sets, dev: Sets, test: Sets
) -> trainer_pb2.FineTuneSpec:
    """The specification of a fine-tuning job.

    Raises:
        ValueError: There is no such schedule or dtype, or a number that the job cannot have.
    """
    message = trainer_pb2.FineTuneSpec(
        model=Model.of(model).to_proto(),
        task=task,
        options=how.get("options", {}),
        train=datasets(train),
        dev=datasets(dev),
        eval=datasets(test),
        frozen=trainer_pb2.Frozen(
            embeddings=how.get("freeze_embeddings", False),
            layers=how.get("freeze_layers", 0),
            patterns=how.get("freeze_patterns", ()),
        ),
        optimisation=optimisation(how),
        max_tokens=how.get("max_tokens", 0),
        interventions=[each.to_proto() for each in how.get("interventions", ())],
        language_interventions=by_language(how.get("language_interventions", {})),
    )
    adversary: Adversary | None = how.get("adversary")
    if adversary is not None:
        message.adversarial_alignment.CopyFrom(adversary.to_proto(datasets(adversary.unlabelled)))
    return message


def by_language(given: Mapping[str, Sequence[Intervention]]) -> list[trainer_pb2.LanguageInterventions]:
    """Interventions on the texts of single languages as messages."""
    return [
        trainer_pb2.LanguageInterventions(language=language, interventions=[each.to_proto() for each in edits])
        for language, edits in given.items()
    ]


def optimisation(how: Mapping[str, Any]) -> trainer_pb2.Optimisation:
    """How a model is optimised; what is left out has the server's default.

    Raises:
        ValueError: There is no such schedule or dtype, or a number that the job cannot have.
    """
    message = trainer_pb2.Optimisation()
    for name in _OPTIMISATION:
        value = how.get(name)
        if value is None:
            continue
        if name in _POSITIVE and value == 0:
            raise ValueError(f"Expected `{name}` above 0, but got {value}")
        try:
            setattr(message, name, value)
        except (TypeError, ValueError) as error:
            raise ValueError(f"Expected a number that fits `{name}`, but got {value!r}") from error
    if "schedule" in how:
        message.schedule = choose(_SCHEDULES, "schedule", how["schedule"])
    if "dtype" in how:
        message.dtype = choose(_DTYPES, "dtype", how["dtype"])
    return message


def datasets(sets: Sets) -> list[trainer_pb2.LanguageDataset]:
    """Sets as messages."""
    found = []
    for place, name in sets.items() if isinstance(sets, Mapping) else sets:
        language, _, domain = place.partition("/")
        found.append(trainer_pb2.LanguageDataset(language=language, dataset=name, domain=domain))
    return found


class Watch:
    """A call of WatchJob, which goes on behind the last event after a break.

    Args:
        name: `jobs/ID`.
        from_event: Number of the first event wanted.
    """

    method = "WatchJob"
    repeatable = True

    def __init__(self, name: str, from_event: int) -> None:
        self._name, self._next = name, max(1, from_event)
        self._ended = False

    def begin(self) -> trainer_pb2.WatchJobRequest:
        """The request of a new attempt."""
        return trainer_pb2.WatchJobRequest(name=self._name, from_event=self._next)

    def receive(self, response: trainer_pb2.WatchJobResponse) -> list[JobEvent]:
        """The event of a message."""
        event = JobEvent.from_proto(response)
        if event.number < self._next:
            return []
        self._next = event.number + 1
        self._ended = event.job.ended and event.number >= event.job.last_event
        return [event]

    def finish(self) -> None:
        """The answer has ended: the job has."""


class JobFile:
    """A call of GetJobFile, which is made again from the start after a break.

    Args:
        name: `jobs/ID`.
        path: Path of the file.
    """

    method = "GetJobFile"
    repeatable = True

    def __init__(self, name: str, path: str) -> None:
        self._name, self._path = name, path
        self._given = self._seen = 0

    def begin(self) -> trainer_pb2.GetJobFileRequest:
        """The request of a new attempt."""
        self._seen = 0
        return trainer_pb2.GetJobFileRequest(name=self._name, path=self._path)

    def receive(self, response: trainer_pb2.GetJobFileResponse) -> list[bytes]:
        """The bytes of a message that have not been given before."""
        fresh = response.chunk[max(0, self._given - self._seen) :]
        self._seen += len(response.chunk)
        self._given += len(fresh)
        return [fresh]

    def finish(self) -> None:
        """The answer has ended: the file has."""


class Prediction:
    """A call of Predict, which can be made again where its examples can.

    Args:
        checkpoint: `checkpoints/ID`.
        examples: Examples to be answered.
        max_tokens: Longest input in tokens; that of training where 0.
        interventions: Interventions on the hidden states.
        language_interventions: Interventions on the texts of single languages, by language tag.
    """

    method = "Predict"

    def __init__(
        self,
        checkpoint: str,
        examples: Iterable[Example],
        max_tokens: int,
        interventions: Sequence[Intervention],
        language_interventions: Mapping[str, Sequence[Intervention]],
    ) -> None:
        self._spec = trainer_pb2.PredictSpec(
            checkpoint=checkpoint,
            max_tokens=max_tokens,
            interventions=[each.to_proto() for each in interventions],
            language_interventions=by_language(language_interventions),
        )
        self._examples = examples
        self._given = self._skip = self._sent = 0

    @property
    def repeatable(self) -> bool:
        """Whether the call can be made again: its examples are not a stream that is gone once read."""
        return not isinstance(self._examples, Iterator)

    def begin(self) -> Iterator[trainer_pb2.PredictRequest]:
        """The messages of a new attempt."""
        self._skip = self._given
        return self._requests()

    def receive(self, response: trainer_pb2.PredictResponse) -> list[Example]:
        """The examples of a message that have not been given before."""
        found = [from_proto(each) for each in response.examples]
        fresh = found[self._skip :]
        self._skip = max(0, self._skip - len(found))
        self._given += len(fresh)
        return fresh

    def finish(self) -> None:
        """The answer has ended.

        Raises:
            DataCorrupted: It lacks some of the examples.
        """
        if self._given != self._sent:
            raise DataCorrupted(f"Expected answers for {self._sent} examples, but got {self._given}")

    def _requests(self) -> Iterator[trainer_pb2.PredictRequest]:
        yield trainer_pb2.PredictRequest(spec=self._spec)
        self._sent = 0
        for example in self._examples:
            self._sent += 1
            yield trainer_pb2.PredictRequest(example=to_proto(example))

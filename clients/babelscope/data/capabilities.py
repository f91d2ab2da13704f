"""What servers offer: measures, map methods, scores, transforms and tasks, each with its options."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Self

from babelscope.v1 import metrics_pb2, options_pb2, trainer_pb2


@dataclass(frozen=True, slots=True)
class OptionInfo:
    """An option of a measure, a map method, a score, a transform or a task.

    Attributes:
        name: Name of the option.
        summary: Meaning of the option, a sentence.
        default: Default value; empty where the option is required.
        required: Whether the option must be given.
        type: `text`, `whole number`, `number`, `true or false` or `list`.
        choices: Values that are allowed; any value of the type where empty.
    """

    name: str
    summary: str
    default: str
    required: bool
    type: str = "text"
    choices: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Capability:
    """Something that a server offers by name.

    Attributes:
        name: Name in requests.
        summary: A sentence that says what it does.
        options: Options that it takes.
    """

    name: str
    summary: str
    options: tuple[OptionInfo, ...]

    @classmethod
    def from_proto(cls, message: Any) -> Self:
        """Reads a message of the contract: `MapMethodInfo`, `ScoreInfo`, `TransformInfo` or the like."""
        return cls(message.name, message.summary, _options(message.options))


@dataclass(frozen=True, slots=True)
class TransformInfo(Capability):
    """A transform on offer."""


@dataclass(frozen=True, slots=True)
class MapMethodInfo(Capability):
    """A method of fitting a map on offer."""


@dataclass(frozen=True, slots=True)
class ScoreInfo(Capability):
    """A score on offer."""


@dataclass(frozen=True, slots=True)
class MeasureInfo(Capability):
    """A measure of similarity on offer.

    Attributes:
        estimators: Variants of the estimator, the default first.
    """

    estimators: tuple[str, ...] = ()

    @classmethod
    def from_proto(cls, message: metrics_pb2.MeasureInfo) -> Self:
        """Reads a message of the contract."""
        return cls(message.name, message.summary, _options(message.options), tuple(message.estimators))


@dataclass(frozen=True, slots=True)
class TaskInfo(Capability):
    """A task on offer.

    Attributes:
        score: Score of the metrics service that measures its predictions.
    """

    score: str = ""

    @classmethod
    def from_proto(cls, message: trainer_pb2.TaskInfo) -> Self:
        """Reads a message of the contract."""
        return cls(message.name, message.summary, _options(message.options), message.score)


def _options(messages: Iterable[options_pb2.OptionInfo]) -> tuple[OptionInfo, ...]:
    return tuple(
        OptionInfo(each.name, each.summary, each.default_value, each.required, each.type, tuple(each.choices))
        for each in messages
    )

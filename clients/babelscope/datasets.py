"""What the datagen server tells: datasets, transforms, and what a pipeline did."""

from collections.abc import Mapping
from dataclasses import dataclass

from babelscope.corpora.examples import Example
from babelscope.exchange import from_proto
from babelscope.v1 import datagen_pb2


@dataclass(frozen=True, slots=True)
class Dataset:
    """What the store knows about a dataset.

    Attributes:
        name: `datasets/DIGEST`: the same examples have the same name.
        title: For people.
        examples: Number of examples.
        languages: BCP 47 tags, sorted.
        bytes: Size in the store.
    """

    name: str
    title: str
    examples: int
    languages: tuple[str, ...]
    bytes: int

    @classmethod
    def from_proto(cls, message: datagen_pb2.Dataset) -> "Dataset":
        """Reads a message of the contract."""
        return cls(message.name, message.title, message.examples, tuple(message.languages), message.bytes)


@dataclass(frozen=True, slots=True)
class DatasetDescription:
    """What is in a dataset.

    Attributes:
        dataset: The dataset.
        languages: Examples by language.
        kinds: Examples by kind of content: text, sentence, pair, question.
        labels: Counts by `nli/LABEL`, `ner/TYPE`, `upos/TAG`, `deprel/RELATION`.
        lengths: Low, high and count of each bin of lengths in characters.
        samples: The first examples.
    """

    dataset: Dataset
    languages: Mapping[str, int]
    kinds: Mapping[str, int]
    labels: Mapping[str, int]
    lengths: tuple[tuple[int, int, int], ...]
    samples: tuple[Example, ...]

    @classmethod
    def from_proto(cls, message: datagen_pb2.DatasetDescription) -> "DatasetDescription":
        """Reads a message of the contract."""
        return cls(
            dataset=Dataset.from_proto(message.dataset),
            languages=dict(sorted(message.languages.items())),
            kinds=dict(sorted(message.kinds.items())),
            labels=dict(sorted(message.labels.items())),
            lengths=tuple((each.low, each.high, each.count) for each in message.lengths),
            samples=tuple(map(from_proto, message.samples)),
        )


@dataclass(frozen=True, slots=True)
class Step:
    """One step of a pipeline.

    Args:
        name: Name of the transform.
        options: Its options as strings.
    """

    name: str
    options: Mapping[str, str]

    @classmethod
    def parse(cls, text: str) -> "Step":
        """Reads `NAME:key=value,key=value`; a part without `=` goes on with the value before: `languages=zh,fr`.

        Raises:
            ValueError: A value has no key before it, or a key is given twice.
        """
        name, _, rest = text.partition(":")
        options: dict[str, str] = {}
        last = ""
        for part in rest.split(",") if rest else ():
            key, equals, value = part.partition("=")
            if equals:
                last = key.strip()
                if not last or last in options:
                    raise ValueError(f"Expected each key once in NAME:key=value,..., but got {part!r} in {text!r}")
                options[last] = value
            elif last:
                options[last] += f",{part}"
            else:
                raise ValueError(f"Expected NAME:key=value,..., but got {text!r}")
        if not name.strip():
            raise ValueError(f"Expected the name of a transform, NAME:key=value,..., but got {text!r}")
        return cls(name.strip(), options)

    def to_proto(self) -> datagen_pb2.TransformStep:
        """The message of the contract."""
        return datagen_pb2.TransformStep(name=self.name, options=dict(self.options))


@dataclass(frozen=True, slots=True)
class StepReport:
    """What one step did.

    Attributes:
        name: Name of the transform.
        counts: By name: read, kept, dropped, replaced, ...
        warnings: What to beware of, in words.
    """

    name: str
    counts: Mapping[str, int]
    warnings: tuple[str, ...]

    @classmethod
    def from_proto(cls, message: datagen_pb2.StepReport) -> "StepReport":
        """Reads a message of the contract."""
        return cls(message.name, dict(sorted(message.counts.items())), tuple(message.warnings))


@dataclass(frozen=True, slots=True)
class TransformOption:
    """An option of a transform: its name, what it means, its default, and whether it must be given."""

    name: str
    summary: str
    default: str
    required: bool


@dataclass(frozen=True, slots=True)
class TransformInfo:
    """A transform on offer: its name, what it does, and its options."""

    name: str
    summary: str
    options: tuple[TransformOption, ...]

    @classmethod
    def from_proto(cls, message: datagen_pb2.TransformInfo) -> "TransformInfo":
        """Reads a message of the contract."""
        options = tuple(
            TransformOption(each.name, each.summary, each.default_value, each.required) for each in message.options
        )
        return cls(message.name, message.summary, options)

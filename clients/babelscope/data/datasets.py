"""What the datagen server tells: datasets, transforms, and what a pipeline did."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Final

from babelscope.data.example_messages import from_proto
from babelscope.data.examples import Example
from babelscope.v1 import datagen_pb2


@dataclass(frozen=True, slots=True)
class Dataset:
    """What the store knows about a dataset.

    Attributes:
        name: `datasets/DIGEST`: the same examples have the same name.
        title: Title for people.
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


_QUOTE: Final = '"'
# A part begins with a key or not, and is then quoted as a whole or without quotes at its start.
_PART: Final = re.compile(r'(?P<part>(?:[^",=]*=)?+(?:"(?:[^"]|"")*"|[^",][^,]*)?)(?P<end>,|$)', re.DOTALL)


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

        A part in double quotes is taken as it is, with all its commas and equals signs, two double quotes for one:
        `dictionary="a,b=c.tsv"`.

        Raises:
            ValueError: A value has no key before it, a key is given twice, or a quote is not closed.
        """
        name, _, rest = text.partition(":")
        options: dict[str, str] = {}
        last = ""
        for part in _parts(rest, text):
            key, equals, value = part.partition("=")
            if equals and _QUOTE not in key:
                last = key.strip()
                if not last or last in options:
                    raise ValueError(f"Expected each key once in NAME:key=value,..., but got {part!r} in {text!r}")
                options[last] = _unquoted(value)
            elif last:
                options[last] += f",{_unquoted(part)}"
            else:
                raise ValueError(f"Expected NAME:key=value,..., but got {text!r}")
        if not name.strip():
            raise ValueError(f"Expected the name of a transform, NAME:key=value,..., but got {text!r}")
        return cls(name.strip(), options)

    def to_proto(self) -> datagen_pb2.TransformStep:
        """The message of the contract."""
        return datagen_pb2.TransformStep(name=self.name, options=dict(self.options))


def _parts(rest: str, whole: str) -> Iterator[str]:
    """Cuts options at the commas outside of quotes."""
    at = 0
    while rest and at <= len(rest):
        match = _PART.match(rest, at)
        if match is None:
            raise ValueError(f'Expected quotes around a whole value, key="value", but got {rest[at:]!r} in {whole!r}')
        yield match["part"]
        if not match["end"]:
            return
        at = match.end()


def _unquoted(value: str) -> str:
    return value[1:-1].replace(_QUOTE * 2, _QUOTE) if value.startswith(_QUOTE) else value


@dataclass(frozen=True, slots=True)
class StepReport:
    """What one step did.

    Attributes:
        name: Name of the transform.
        counts: Counts by name: read, kept, dropped, replaced, ...
        warnings: Warnings, in words.
    """

    name: str
    counts: Mapping[str, int]
    warnings: tuple[str, ...]

    @classmethod
    def from_proto(cls, message: datagen_pb2.StepReport) -> "StepReport":
        """Reads a message of the contract."""
        return cls(message.name, dict(sorted(message.counts.items())), tuple(message.warnings))

"""Examples as Parquet: one schema for all kinds of content, written and read in row groups of bounded size.

The bytes depend on the examples and on the pinned writer alone: groups are cut by the examples' own sizes, whatever
portions they came in, so that the same examples have the same digest.
"""

import contextlib
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import fields
from operator import attrgetter
from typing import Any, BinaryIO, Final, Protocol

import pyarrow as pa
import pyarrow.parquet as pq
from babelscope.data.examples import Answer, Example, Question, Sentence, TextPair, Word

from services.runtime.errors import DataLoss

GROUP_EXAMPLES: Final = 4096
GROUP_CHARACTERS: Final = 4 << 20
"""Of the texts."""
GROUP_WEIGHT: Final = 16 << 20
"""Of everything: annotation and attributes are no texts, and may be larger than they."""
READ_BYTES: Final = 1 << 30
"""Unpacked bytes of a group that is read."""
BYTES_A_CHARACTER: Final = 4
EXAMPLES_KEY: Final = "babelscope.examples"
LANGUAGES_KEY: Final = "babelscope.languages"

_CHARGE: Final = 32
_texts_of = attrgetter(*(field.name for field in fields(Word) if field.type is str))
"""All texts of a word."""
_WORD = pa.struct(
    [
        ("form", pa.string()),
        ("upos", pa.string()),
        ("head", pa.int32()),
        ("deprel", pa.string()),
        ("ner", pa.string()),
        ("lemma", pa.string()),
        ("feats", pa.string()),
        ("space_after", pa.bool_()),
        ("xpos", pa.string()),
        ("deps", pa.string()),
        ("misc", pa.string()),
    ]
)
SCHEMA: Final = pa.schema(
    [
        ("id", pa.string()),
        ("language", pa.string()),
        ("kind", pa.string()),
        ("text", pa.string()),
        ("words", pa.list_(_WORD)),
        ("premise", pa.string()),
        ("hypothesis", pa.string()),
        ("label", pa.string()),
        ("context", pa.string()),
        ("question", pa.string()),
        ("answers", pa.list_(pa.struct([("text", pa.string()), ("start", pa.int32())]))),
        ("attributes", pa.map_(pa.string(), pa.string())),
    ]
)

_FILLED: Final = {
    "text": ("text",),
    "sentence": ("text", "words"),
    "pair": ("premise", "hypothesis", "label"),
    "question": ("context", "question", "answers"),
}
"""Columns that each kind of content has."""


class Sink(Protocol):
    """What takes bytes."""

    def write(self, data: bytes | bytearray | memoryview) -> int:
        """Adds bytes; returns how many."""


class _File:
    """A sink as the file that pyarrow asks for."""

    closed = False

    def __init__(self, sink: Sink) -> None:
        self._sink = sink
        self._at = 0

    def write(self, data: Any) -> int:
        """Adds bytes."""
        view = memoryview(data)
        self._sink.write(view)
        self._at += view.nbytes
        return view.nbytes

    def tell(self) -> int:
        """Bytes so far."""
        return self._at

    def flush(self) -> None:
        """Nothing is held back."""

    def close(self) -> None:
        """The sink's owner closes it."""
        self.closed = True


def write(
    sink: Sink,
    examples: Iterable[Example],
    check: Callable[[list[Example]], None] = lambda group: None,
    hold: Callable[[int], None] = lambda amount: None,
) -> Counter[str]:
    """Writes examples.

    Args:
        sink: Takes the file's bytes in order.
        examples: Any number; a group of them is held at a time.
        check: Called with each group before it is written; what it raises ends the writing.
        hold: Called with the bytes that are held more than before, less where negative; what it raises ends the
            writing.

    Returns:
        Number of examples by language.
    """
    languages: Counter[str] = Counter()
    file = _File(sink)
    with pq.ParquetWriter(
        file, SCHEMA, compression="zstd", compression_level=3, version="2.6", write_statistics=False
    ) as writer:
        for group, held in _groups(examples, hold):
            check(group)
            languages.update(example.language for example in group)
            writer.write_table(pa.table(_columns(group), schema=SCHEMA), row_group_size=len(group))
            hold(-held)
        writer.add_key_value_metadata(
            {EXAMPLES_KEY: str(languages.total()), LANGUAGES_KEY: ",".join(sorted(languages))}
        )
    return languages


def read(file: BinaryIO, name: str) -> Iterator[Example]:
    """Yields the examples of a file, a row group at a time.

    Raises:
        DataLoss: The file is no Parquet with this schema, a row group does not unpack to examples, or is larger than
            any that `write` makes.
    """
    parquet = _open(file, name)
    for group in range(parquet.num_row_groups):
        told = parquet.metadata.row_group(group)
        if told.num_rows > GROUP_EXAMPLES or told.total_byte_size > READ_BYTES:
            raise DataLoss(
                f"Expected row groups of at most {GROUP_EXAMPLES} examples and {READ_BYTES} unpacked bytes in {name}, "
                f"but got {told.num_rows} examples and {told.total_byte_size} bytes"
            )
        yield from _group(parquet, group, name)


def count(file: BinaryIO, name: str) -> tuple[int, tuple[str, ...]]:
    """Number of examples, and their languages, from the file's metadata."""
    metadata: Mapping[bytes, bytes] = _open(file, name).metadata.metadata or {}
    with _unpacked(f"the metadata of {name} to have a number of examples and languages"):
        languages = metadata.get(LANGUAGES_KEY.encode(), b"").decode()
        return int(metadata.get(EXAMPLES_KEY.encode(), b"0")), tuple(languages.split(",")) if languages else ()


def kind_of(example: Example) -> str:
    """The kind of an example's content: text, sentence, pair, question."""
    match example.content:
        case str():
            return "text"
        case Sentence():
            return "sentence"
        case TextPair():
            return "pair"
        case Question():
            return "question"


def _open(file: BinaryIO, name: str) -> Any:
    with _unpacked(f"{name} to be Parquet"):
        parquet = pq.ParquetFile(file)
    if parquet.schema_arrow.names != SCHEMA.names:
        raise DataLoss(
            f"Expected {name} to have the columns of a dataset, but got {', '.join(parquet.schema_arrow.names)}"
        )
    return parquet


def _group(parquet: Any, group: int, name: str) -> list[Example]:
    """The examples of a row group.

    Raises:
        DataLoss: It does not unpack, or what it holds are no examples.
    """
    with _unpacked(f"row group {group + 1} of {parquet.num_row_groups} in {name} to hold examples"):
        return [_example(row) for row in parquet.read_row_group(group, columns=SCHEMA.names).to_pylist()]


@contextlib.contextmanager
def _unpacked(expected: str) -> Iterator[None]:
    """Turns what damaged files make pyarrow raise into DataLoss.

    Args:
        expected: What was expected of which file.
    """
    try:
        yield
    except (pa.ArrowException, OSError, ValueError, TypeError) as error:
        # What does not unpack is an OSError without a number; one with a number is the disk's.
        if isinstance(error, OSError) and error.errno is not None:
            raise
        raise DataLoss(f"Expected {expected}, but it does not unpack: {' '.join(str(error).split())}") from error


def _groups(examples: Iterable[Example], hold: Callable[[int], None]) -> Iterator[tuple[list[Example], int]]:
    """Cuts a stream into groups by what the examples themselves are, so that their portions do not matter.

    Yields:
        A group, and the bytes that it holds.
    """
    group: list[Example] = []
    size = heavy = 0
    for example in examples:
        group.append(example)
        size += length(example)
        more = weight(example)
        hold(BYTES_A_CHARACTER * more)
        heavy += more
        if len(group) >= GROUP_EXAMPLES or size >= GROUP_CHARACTERS or heavy >= GROUP_WEIGHT:
            yield group, BYTES_A_CHARACTER * heavy
            group, size, heavy = [], 0, 0
    if group:
        yield group, BYTES_A_CHARACTER * heavy


def weight(example: Example) -> int:
    """Characters of all that an example holds, and a charge for each word, answer and attribute."""
    held = len(example.id) + len(example.language)
    held += sum(_CHARGE + len(name) + len(value) for name, value in example.attributes.items())
    match example.content:
        case str() as text:
            held += len(text)
        case Sentence() as sentence:
            held += len(sentence.text)
            for word in sentence.words:
                held += _CHARGE + sum(map(len, _texts_of(word)))
        case TextPair() as pair:
            held += len(pair.premise) + len(pair.hypothesis) + len(pair.label)
        case Question() as question:
            held += len(question.context) + len(question.question)
            held += sum(_CHARGE + len(answer.text) for answer in question.answers)
    return held


def length(example: Example) -> int:
    """Characters of an example's texts."""
    match example.content:
        case str() as text:
            return len(text)
        case Sentence() as sentence:
            return len(sentence.text) or sum(len(word.form) + word.space_after for word in sentence.words)
        case TextPair() as pair:
            return len(pair.premise) + len(pair.hypothesis)
        case Question() as question:
            return len(question.context) + len(question.question)


def _columns(group: list[Example]) -> dict[str, list[Any]]:
    rows = [_row(example) for example in group]
    return {name: [row.get(name) for row in rows] for name in SCHEMA.names}


def _row(example: Example) -> dict[str, Any]:
    row: dict[str, Any] = {
        "id": example.id,
        "language": example.language,
        "kind": kind_of(example),
        "attributes": sorted(example.attributes.items()),
    }
    match example.content:
        case str() as text:
            row["text"] = text
        case Sentence() as sentence:
            row["text"] = sentence.text
            row["words"] = [
                {
                    "form": word.form,
                    "upos": word.upos,
                    "head": word.head,
                    "deprel": word.deprel,
                    "ner": word.ner,
                    "lemma": word.lemma,
                    "feats": word.feats,
                    "space_after": word.space_after,
                    "xpos": word.xpos,
                    "deps": word.deps,
                    "misc": word.misc,
                }
                for word in sentence.words
            ]
        case TextPair() as pair:
            row |= {"premise": pair.premise, "hypothesis": pair.hypothesis, "label": pair.label}
        case Question() as question:
            answers = [{"text": answer.text, "start": answer.start} for answer in question.answers]
            row |= {"context": question.context, "question": question.question, "answers": answers}
    return row


def _example(row: Mapping[str, Any]) -> Example:
    for column in ("id", "language", "attributes", *_FILLED.get(row["kind"], ())):
        if row[column] is None:
            raise ValueError(f"Expected `{column}` of example {row['id']!r}, but got none")
    match row["kind"]:
        case "sentence":
            words = tuple([Word(**word) for word in row["words"]])
            content: str | Sentence | TextPair | Question = Sentence(words, row["text"])
        case "pair":
            content = TextPair(row["premise"], row["hypothesis"], row["label"])
        case "question":
            answers = tuple([Answer(**answer) for answer in row["answers"]])
            content = Question(row["context"], row["question"], answers)
        case "text":
            content = row["text"]
        case other:
            raise ValueError(f"Expected a kind of content, but got {other!r}")
    return Example(row["id"], content, row["language"], attributes=dict(row["attributes"]))

"""Datasets in the store: Parquet named by its digest, with a small card beside it that holds the title.

The title is no part of a dataset: the same examples have the same name whatever they are called. The card is an object
of its own, written after the dataset; a dataset whose card is missing is listed without a title. Who stores the same
examples again leaves the title of the first.
"""

import contextlib
import json
import logging
import threading
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final

from babelscope.data.example_messages import to_proto
from babelscope.data.examples import Example, Sentence, TextPair

from services.datagen.datasets import parquet
from services.datagen.datasets.checks import check_example
from services.datagen.datasets.distinct import Distinct
from services.runtime.errors import DataLoss, InvalidArgument, LimitExceeded, NotFound
from services.runtime.files.store import Store, digest_of
from services.runtime.memory import Memory

log = logging.getLogger(__name__)

KIND: Final = "datasets"
CARDS: Final = "dataset-cards"
MOST_LANGUAGES: Final = 1000
"""Languages of a dataset."""
MOST_LABELS: Final = 10_000
"""Labels that a description counts one by one; what comes then is counted together."""
OTHERS: Final = "others"
LONGEST_LABEL: Final = 100
SHOWN_CHARACTERS: Final = 256 << 10
"""Characters of a description's samples, but for a first one that is longer."""
OWN_BYTES: Final = 1 << 30
LONGEST_EXAMPLE: Final = 4 << 20
_MOST_BYTES: Final = 8
"""Bytes that a character of an example's weight may take in its message: four of UTF-8, as many for tags around it."""
_NEARBY: Final = 3


@dataclass(frozen=True, slots=True)
class DatasetInfo:
    """What the store knows about a dataset.

    Attributes:
        name: `datasets/DIGEST`.
        title: Title for people.
        examples: Number of examples.
        languages: Tags, sorted.
        bytes: Size in the store.
    """

    name: str
    title: str
    examples: int
    languages: tuple[str, ...]
    bytes: int


@dataclass(frozen=True, slots=True)
class Description:
    """What is in a dataset.

    Attributes:
        dataset: The dataset.
        languages: Examples by language.
        kinds: Examples by kind of content.
        labels: Counts by `nli/LABEL`, `ner/TYPE`, `upos/TAG`, `deprel/RELATION`.
        lengths: Low, high and count of each bin of lengths in characters: powers of two.
        samples: The first examples.
    """

    dataset: DatasetInfo
    languages: dict[str, int]
    kinds: dict[str, int]
    labels: dict[str, int]
    lengths: tuple[tuple[int, int, int], ...]
    samples: tuple[Example, ...]


class Datasets:
    """The datasets of a store. All methods block.

    Args:
        store: The store.
        scratch: Folder for temporary files.
        memory: What all requests together may hold; a budget of its own where None.
        longest: Longest example as bytes of a message, so that what is stored can be read back.
    """

    def __init__(
        self, store: Store, scratch: Path, memory: Memory | None = None, longest: int = LONGEST_EXAMPLE
    ) -> None:
        self._store, self._scratch, self._longest = store, scratch, longest
        self._memory = memory or Memory(OWN_BYTES)
        self._cards: dict[str, DatasetInfo] = {}
        self._seen: dict[str, str] = {}
        self._damaged: set[str] = set()
        self._lock = threading.Lock()

    def put(self, examples: Iterable[Example], title: str, *, empty: str = "examples") -> DatasetInfo:
        """Stores examples; nothing appears in the store where this raises.

        Args:
            examples: At least one example; the iterable is read once.
            title: Title for people.
            empty: The field that an error names where there is none.

        Raises:
            InvalidArgument: An example is wrong or its id repeats within its language, or there is none.
            LimitExceeded: The store is full, the server's requests hold too much, or an example fits no message.
        """
        self._scratch.mkdir(parents=True, exist_ok=True)
        seen: set[str] = set()
        with contextlib.closing(Distinct(self._scratch)) as distinct, self._memory.account() as account:

            def check(group: list[Example]) -> None:
                distinct.add([(example.id, example.language) for example in group])
                seen.update(example.language for example in group)
                if len(seen) > MOST_LANGUAGES:
                    raise InvalidArgument(
                        empty, f"Expected at most {MOST_LANGUAGES} languages a dataset, but got {len(seen)}"
                    )

            with self._store.create(KIND) as writer:
                languages = parquet.write(writer, self._fitting(_checked(examples)), check, account.take)
                if not languages:
                    raise InvalidArgument(empty, "Expected at least one example, but got none")
        known = self._known(writer.name)
        if known is not None and (known.title or not title):
            return known
        info = DatasetInfo(
            writer.name, title, languages.total(), tuple(sorted(languages)), self._store.size(writer.name) or 0
        )
        self._store.put(CARDS, json.dumps(asdict(info), ensure_ascii=False, sort_keys=True).encode())
        return info

    def _fitting(self, examples: Iterable[Example]) -> Iterator[Example]:
        """Yields examples, of which each fits a message when it is read back."""
        for example in examples:
            if (
                parquet.weight(example) > self._longest // _MOST_BYTES
                and (size := _message_bytes(example)) > self._longest
            ):
                raise LimitExceeded(
                    "max_message_bytes",
                    f"Expected examples of at most {self._longest} bytes, but example {example.id!r} has {size}",
                )
            yield example

    @contextlib.contextmanager
    def open(self, name: str) -> Iterator[Iterator[Example]]:
        """The examples of a dataset, in its order; checked against the digest first.

        Raises:
            NotFound: There is no such dataset.
            InvalidArgument: The name is none.
            DataLoss: It is damaged.
        """
        self._check_name(name)
        try:
            with self._store.open(name) as file:
                yield parquet.read(file, name)
        except NotFound:
            raise NotFound("dataset", name, self._nearby(name)) from None

    def read(self, name: str) -> Iterator[Example]:
        """Yields the examples of a dataset; errors as for `open`."""
        with self.open(name) as examples:
            yield from examples

    def get(self, name: str) -> DatasetInfo:
        """What is known about a dataset.

        Raises:
            NotFound: There is no such dataset.
            InvalidArgument: The name is none.
        """
        self._check_name(name)
        size = self._store.size(name)
        if size is None:
            raise NotFound("dataset", name, self._nearby(name))
        known = self._known(name)
        if known is not None:
            return known
        with self._store.open(name) as file:
            examples, languages = parquet.count(file, name)
        return DatasetInfo(name, "", examples, languages, size)

    @property
    def damaged_cards(self) -> int:
        """Cards that could not be read when they were last looked at; their datasets are listed without a title."""
        return len(self._damaged)

    def names(self) -> list[str]:
        """Names of all datasets, sorted."""
        return self._store.list(f"{KIND}/")

    def describe(self, name: str, samples: int, check: Callable[[], None] = lambda: None) -> Description:
        """Counts what is in a dataset.

        Args:
            name: Name of the dataset.
            samples: Examples to show.
            check: Called before each example; what it raises ends the work.

        Raises:
            NotFound: There is no such dataset.
        """
        info = self.get(name)
        languages: Counter[str] = Counter()
        kinds: Counter[str] = Counter()
        labels: Counter[str] = Counter()
        lengths: Counter[int] = Counter()
        shown: list[Example] = []
        heavy = 0
        with self.open(name) as examples:
            for example in examples:
                check()
                languages[example.language] += 1
                kinds[parquet.kind_of(example)] += 1
                for label in _labels(example):
                    labels[label if label in labels or len(labels) < MOST_LABELS else OTHERS] += 1
                lengths[parquet.length(example).bit_length()] += 1
                heavy += parquet.weight(example)
                if len(shown) < samples and (heavy <= SHOWN_CHARACTERS or not shown):
                    shown.append(example)
        bins = tuple((1 << bits >> 1, (1 << bits) - 1, lengths[bits]) for bits in sorted(lengths))
        return Description(info, dict(languages), dict(kinds), dict(labels), bins, tuple(shown))

    def delete(self, name: str) -> None:
        """Removes a dataset with its cards.

        Raises:
            NotFound: There is no such dataset.
            InvalidArgument: The name is none.
        """
        self._check_name(name)
        if not self._store.exists(name):
            raise NotFound("dataset", name, self._nearby(name))
        self._known(name)
        cards = [card for card, dataset in self._seen.items() if dataset == name]
        # The dataset first: one without a card is listed, a card without a dataset is not.
        for each in (name, *cards):
            self._store.delete(each)
        log.info("dataset removed", extra={"dataset": name})

    def _known(self, name: str) -> DatasetInfo | None:
        """The card of a dataset; cards never change, so each is read once, and a damaged one until it is mended.

        A card is a title and what the dataset itself tells as well, so a damaged one harms no other dataset.
        """
        with self._lock:
            listed = self._store.list(f"{CARDS}/")
            for card in self._seen.keys() - set(listed):  # somebody removed its dataset
                self._cards.pop(self._seen.pop(card), None)
            for card in listed:
                if card in self._seen:
                    continue
                info = self._read_card(card)
                if info is None:
                    continue
                other = self._cards.get(info.name)
                if other is None or not other.title:
                    self._cards[info.name] = info
                self._seen[card] = info.name
            return self._cards.get(name)

    def _read_card(self, card: str) -> DatasetInfo | None:
        """A card; None, and a line in the log for the first time, where it is damaged or gone."""
        try:
            info = _card(self._store.get(card))
        except (DataLoss, NotFound) as error:
            if card not in self._damaged:
                log.warning("dataset card skipped", extra={"card": card, "problem": str(error)})
            self._damaged.add(card)
            return None
        self._damaged.discard(card)
        return info

    def _check_name(self, name: str) -> None:
        if not name.startswith(f"{KIND}/"):
            raise InvalidArgument("name", f"Expected the name of a dataset, datasets/DIGEST, but got {name[:200]!r}")
        digest_of(name)

    def _nearby(self, name: str) -> list[str]:
        """Datasets whose names begin alike, for people who lost the end of one."""
        names = self.names()
        alike = [one for one in names if one.startswith(name[: len(KIND) + 5])]
        return (alike or names)[:_NEARBY]


def _card(data: bytes) -> DatasetInfo:
    """Reads a card.

    Raises:
        DataLoss: It is none.
    """
    try:
        values = json.loads(data)
        title, languages = values["title"], values["languages"]
        if not isinstance(title, str) or not all(isinstance(language, str) for language in languages):
            raise ValueError("a title or a language that is no text")
        digest_of(values["name"])
        return DatasetInfo(values["name"], title, int(values["examples"]), tuple(languages), int(values["bytes"]))
    except (ValueError, KeyError, TypeError, RecursionError, InvalidArgument) as error:
        raise DataLoss(f"Expected the card of a dataset, but got another object: {error}") from error


def _checked(examples: Iterable[Example]) -> Iterator[Example]:
    for place, example in enumerate(examples):
        check_example(example, place)
        yield example


def _message_bytes(example: Example) -> int:
    """Bytes of the message of an example; InvalidArgument where it cannot be written as UTF-8."""
    try:
        return to_proto(example).ByteSize()
    except ValueError as error:
        raise InvalidArgument("examples", str(error)) from error


def _labels(example: Example) -> Iterator[str]:
    """What an example is labelled with, cut where it is no label but a text."""
    yield from (label[:LONGEST_LABEL] for label in _whole_labels(example))


def _whole_labels(example: Example) -> Iterator[str]:
    if isinstance(example.content, TextPair) and example.content.label:
        yield f"nli/{example.content.label}"
    elif isinstance(example.content, Sentence):
        for word in example.content.words:
            if word.upos:
                yield f"upos/{word.upos}"
            if word.deprel:
                yield f"deprel/{word.deprel}"
            if word.ner.startswith("B-"):
                yield f"ner/{word.ner[2:]}"

"""Datasets in the store: named by contents alone, whole or not there, read back as they were."""

import io
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from babelscope.corpora import Answer, Example, Question, Sentence, TextPair, Word
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from services.datagen.datasets.stored import CARDS, LONGEST_LABEL, MOST_LABELS, OTHERS, Datasets, parquet
from services.datagen.pipeline.jobs import portions
from services.runtime.errors import DataLoss, InvalidArgument, LimitExceeded, NotFound
from services.runtime.files.store import Store
from services.runtime.memory import Memory

TREE = Sentence(
    (Word("Hunde", "NOUN", 2, "nsubj", "O", "Hund", "Number=Plur"), Word("bellen", "VERB", 0)), "Hunde bellen"
)
ALL_KINDS = [
    Example("1", "text", "en", attributes={"b": "2", "a": "1"}),
    Example("1", "Text", "de"),
    Example("2", TREE, "de"),
    Example("3", TextPair("a", "b", "neutral"), "en"),
    Example("4", Question("a 👩‍👧 b", "?", (Answer("👩‍👧", 2),)), "en"),
    Example("5", Question("a", "?", ()), ""),
    Example("6", Sentence((Word("Ada", ner="B-PER", space_after=False),), "Ada"), "en"),
]


@pytest.fixture
def datasets(tmp_path: Path) -> Datasets:
    return Datasets(Store(str(tmp_path / "store")), tmp_path / "scratch")


def objects(folder: Path) -> list[str]:
    return [path.name for path in (folder / "store").rglob("*") if path.is_file()]


def test_all_kinds_come_back(datasets: Datasets) -> None:
    info = datasets.put(ALL_KINDS, "all")
    assert list(datasets.read(info.name)) == ALL_KINDS
    assert (info.title, info.examples, info.languages) == ("all", 7, ("", "de", "en"))
    assert datasets.get(info.name) == info
    assert datasets.names() == [info.name]


def test_the_same_examples_have_the_same_name(datasets: Datasets, monkeypatch: pytest.MonkeyPatch) -> None:
    first = datasets.put(ALL_KINDS, "one title")
    assert datasets.put(iter(ALL_KINDS), "another") == first
    reordered = [Example("1", "text", "en", line=3, attributes={"a": "1", "b": "2"}), *ALL_KINDS[1:]]
    assert datasets.put(reordered, "").name == first.name
    assert datasets.put(ALL_KINDS[::-1], "").name != first.name
    assert datasets.put(ALL_KINDS[1:], "").name != first.name


def test_a_title_given_later_is_kept_and_never_replaced(tmp_path: Path, datasets: Datasets) -> None:
    name = datasets.put(ALL_KINDS, "").name
    datasets.put(ALL_KINDS, "first")
    datasets.put(ALL_KINDS, "second")
    assert Datasets(Store(str(tmp_path / "store")), tmp_path).get(name).title == "first"


def test_a_dataset_without_its_card_tells_of_itself(tmp_path: Path, datasets: Datasets) -> None:
    info = datasets.put(ALL_KINDS, "all")
    store = Store(str(tmp_path / "store"))
    for card in store.list("dataset-cards/"):
        store.delete(card)
    found = Datasets(store, tmp_path).get(info.name)
    assert (found.title, found.examples, found.languages) == ("", 7, ("", "de", "en"))


def test_groups_are_bounded(datasets: Datasets) -> None:
    examples = [Example(str(number), "x" * 2000, "en") for number in range(3 * parquet.GROUP_EXAMPLES // 2)]
    seen: list[int] = []

    class Sink:
        def write(self, data: bytes | bytearray | memoryview) -> int:
            return len(data)

    parquet.write(Sink(), examples, lambda group: seen.append(len(group)))
    assert sum(seen) == len(examples)
    assert max(seen) <= min(parquet.GROUP_EXAMPLES, parquet.GROUP_CHARACTERS // 2000 + 1)


@pytest.mark.parametrize(
    ("wrong", "field"),
    [
        (Example("", "x"), r"examples\[7\]\.id"),
        (Example("7", "x", "not a tag"), r"examples\[7\]\.language"),
        (Example("7", Question("abc", "?", (Answer("c", 1),))), r"examples\[7\]\.question\.answers\[0\]\.start"),
        (Example("7", Question("abc", "?", (Answer("", 1),))), r"examples\[7\]\.question\.answers\[0\]"),
        (Example("7", Sentence((), "")), r"examples\[7\]\.sentence\.words"),
        (Example("7", Sentence((Word("a", head=2), Word("b", head=1)), "a b")), r"examples\[7\]\.sentence\.words"),
        (Example("7", Sentence((Word("a", head=0), Word("b", head=5)), "a b")), r"examples\[7\]\.sentence\.words"),
        (ALL_KINDS[0], r"examples\[1\]\.id"),
    ],
)
def test_a_bad_example_leaves_nothing(wrong: Example, field: str, tmp_path: Path, datasets: Datasets) -> None:
    with pytest.raises(InvalidArgument, match=field):
        datasets.put([*ALL_KINDS, wrong], "bad")
    assert objects(tmp_path) == []


def test_a_source_that_breaks_leaves_nothing(tmp_path: Path, datasets: Datasets) -> None:
    def broken() -> Iterator[Example]:
        yield from ALL_KINDS
        raise OSError("gone")

    with pytest.raises(OSError, match="gone"):
        datasets.put(broken(), "bad")
    assert objects(tmp_path) == []


def test_an_empty_dataset_is_refused(tmp_path: Path, datasets: Datasets) -> None:
    with pytest.raises(InvalidArgument, match="at least one example"):
        datasets.put([], "none")
    assert objects(tmp_path) == []


def test_names(datasets: Datasets) -> None:
    info = datasets.put(ALL_KINDS, "all")
    with pytest.raises(NotFound, match=info.name):
        datasets.get("datasets/" + "0" * 64)
    with pytest.raises(InvalidArgument, match="name of a dataset"):
        list(datasets.read("maps/" + "0" * 64))
    with pytest.raises(InvalidArgument):
        datasets.get("datasets/../secret")


def test_what_is_no_dataset_is_not_served(tmp_path: Path, datasets: Datasets) -> None:
    name = Store(str(tmp_path / "store")).put("datasets", b"not parquet")
    with pytest.raises(DataLoss, match="to be Parquet"):
        list(datasets.read(name))


@pytest.mark.parametrize("harm", ["flip", "cut"])
def test_damage_under_the_right_digest_is_told_or_harmless(harm: str) -> None:
    """What another writer has put under its own digest: an error of the house that names the dataset, at any byte."""
    sink = io.BytesIO()
    parquet.write(sink, ALL_KINDS)
    whole = sink.getvalue()
    told = []
    for place in range(0, len(whole), 3):
        end = place if harm == "cut" else len(whole)
        data = whole[:place] + bytes([whole[place] ^ (1 << place % 8)]) + whole[place + 1 : end]
        told.append(_problem(data[:end]))
    assert all("datasets/x" in problem for problem in told if problem)
    assert sum(map(bool, told)) > len(told) / 2


def _problem(data: bytes) -> str:
    """What reading a file says; empty where nothing."""
    try:
        list(parquet.read(io.BytesIO(data), "datasets/x"))
        parquet.count(io.BytesIO(data), "datasets/x")
    except DataLoss as error:
        return str(error)
    return ""


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        ({"kind": ["poem"]}, "Expected a kind of content, but got 'poem'"),
        ({"text": [None]}, "Expected `text` of example '1', but got none"),
        ({"language": [None]}, "Expected `language` of example '1', but got none"),
    ],
)
def test_rows_that_are_no_examples_are_told(change: dict[str, Any], problem: str) -> None:
    sink = io.BytesIO()
    row = {"id": ["1"], "language": ["en"], "kind": ["text"], "text": ["a"], "attributes": [[]]}
    columns = {name: [None] for name in parquet.SCHEMA.names} | row | change
    pq.write_table(pa.table(columns, schema=parquet.SCHEMA), sink)
    with pytest.raises(DataLoss, match=f"row group 1 of 1 in datasets/x .*{problem}"):
        list(parquet.read(io.BytesIO(sink.getvalue()), "datasets/x"))


def test_a_description_counts(datasets: Datasets) -> None:
    found = datasets.describe(datasets.put(ALL_KINDS, "all").name, samples=2)
    assert found.languages == {"en": 4, "de": 2, "": 1}
    assert found.kinds == {"text": 2, "sentence": 2, "pair": 1, "question": 2}
    assert found.labels == {"upos/NOUN": 1, "upos/VERB": 1, "deprel/nsubj": 1, "nli/neutral": 1, "ner/PER": 1}
    assert found.samples == tuple(ALL_KINDS[:2])
    assert sum(count for _, _, count in found.lengths) == 7
    assert all(low <= high for low, high, _ in found.lengths)


TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=40)


@settings(max_examples=50, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.tuples(TEXT, TEXT, TEXT), min_size=1, max_size=8))
def test_any_text_comes_back(datasets: Datasets, texts: list[tuple[str, str, str]]) -> None:
    examples = [
        Example(str(number), Question(left + middle + right, right, (Answer(middle, len(left)),) if middle else ()))
        for number, (left, middle, right) in enumerate(texts)
    ]
    assert list(datasets.read(datasets.put(examples, "").name)) == examples


def _spoil(folder: Path, kind: str) -> None:
    for path in (folder / "store" / kind).rglob("*"):
        if path.is_file():
            path.write_bytes(b"not what it was")


@pytest.mark.parametrize("harm", ["bytes", "no card", "no json"])
def test_one_damaged_card_harms_no_other_dataset(tmp_path: Path, harm: str, caplog: pytest.LogCaptureFixture) -> None:
    store = Store(str(tmp_path / "store"))
    spoilt = Datasets(store, tmp_path / "scratch").put(ALL_KINDS, "spoilt")
    if harm == "bytes":
        _spoil(tmp_path, CARDS)
    else:
        store.put(CARDS, b"{}" if harm == "no card" else b"[" * 100_000)
    fresh = Datasets(store, tmp_path / "scratch")
    other = fresh.put(ALL_KINDS[1:], "other")
    again = fresh.put(ALL_KINDS[2:], "again")
    assert [fresh.get(name) for name in (other.name, again.name)] == [other, again]
    assert sorted(fresh.names()) == sorted((spoilt.name, other.name, again.name))
    titled = "" if harm == "bytes" else "spoilt"
    assert (fresh.get(spoilt.name).title, fresh.get(spoilt.name).examples) == (titled, spoilt.examples)
    assert fresh.damaged_cards == 1
    skipped = [record for record in caplog.records if record.message == "dataset card skipped"]
    assert len(skipped) == 1
    assert list(fresh.read(spoilt.name)) == ALL_KINDS


def test_a_damaged_card_is_mended_by_storing_the_dataset_again(tmp_path: Path, datasets: Datasets) -> None:
    info = datasets.put(ALL_KINDS, "title")
    _spoil(tmp_path, CARDS)
    fresh = Datasets(Store(str(tmp_path / "store")), tmp_path / "scratch")
    assert fresh.get(info.name).title == ""
    assert fresh.put(ALL_KINDS, "title") == info
    assert fresh.get(info.name) == info
    assert fresh.damaged_cards == 0


def test_a_damaged_dataset_asked_by_name_is_a_loss(tmp_path: Path, datasets: Datasets) -> None:
    spoilt = datasets.put(ALL_KINDS, "spoilt")
    _spoil(tmp_path, "datasets")
    other = datasets.put(ALL_KINDS[1:], "other")
    fresh = Datasets(Store(str(tmp_path / "store")), tmp_path / "scratch")
    assert fresh.get(other.name) == other
    with pytest.raises(DataLoss, match=spoilt.name):
        list(fresh.read(spoilt.name))


HEAVY = {
    "attributes": [Example(str(n), "x", "en", attributes={"a": "v" * 100_000}) for n in range(600)],
    "annotation": [Example(str(n), Sentence((Word("x", feats="f" * 100_000),), "x"), "en") for n in range(600)],
    "columns": [
        Example(str(n), Sentence((Word("x", xpos="x" * 40_000, deps="d" * 40_000, misc="m" * 40_000),), "x"), "en")
        for n in range(600)
    ],
    "labels": [Example(str(n), TextPair("a", "b", "l" * 100_000), "en") for n in range(600)],
    "answers": [
        Example(str(n), Question("a" * 9, "?", (Answer("a" * 9, 0),) * 1000), "en", attributes={}) for n in range(1800)
    ],
}


@pytest.mark.parametrize("name", HEAVY)
def test_what_is_no_text_is_held_in_groups_too_and_comes_back(name: str, tmp_path: Path) -> None:
    memory = Memory(4 * (parquet.GROUP_WEIGHT + 200_000))
    datasets = Datasets(Store(str(tmp_path / "store")), tmp_path / "scratch", memory)
    info = datasets.put(HEAVY[name], "")
    assert memory.used == 0
    assert list(datasets.read(info.name)) == HEAVY[name]
    with pytest.raises(LimitExceeded, match="held_bytes"):
        Datasets(Store(str(tmp_path / "other")), tmp_path / "scratch", Memory(1 << 20)).put(HEAVY[name], "")
    assert max(sum(map(parquet.weight, portion)) for portion in portions(HEAVY[name])) < 1 << 20


def test_a_group_larger_than_any_that_is_written_is_not_read(
    datasets: Datasets, monkeypatch: pytest.MonkeyPatch
) -> None:
    info = datasets.put(HEAVY["attributes"], "")
    monkeypatch.setattr(parquet, "READ_BYTES", 1 << 10)
    with pytest.raises(DataLoss, match="row groups of at most"):
        list(datasets.read(info.name))


def test_a_description_of_strange_labels_and_long_samples_stays_small(datasets: Datasets) -> None:
    words = [tuple(Word("x", upos=f"{n + first}" + "u" * 300) for n in range(10_000)) for first in (0, 10_000)]
    examples = [
        *(Example(f"s{n}", Sentence(each, "x"), "en") for n, each in enumerate(words)),
        *HEAVY["attributes"][:20],
    ]
    found = datasets.describe(datasets.put(examples, "").name, 20)
    assert len(found.labels) == MOST_LABELS + 1
    assert found.labels[OTHERS] == 20_000 - MOST_LABELS
    assert max(map(len, found.labels)) == LONGEST_LABEL
    assert len(found.samples) == 1


def test_languages_are_counted_and_short(datasets: Datasets) -> None:
    with pytest.raises(InvalidArgument, match="at most 1000 languages a dataset, but got"):
        datasets.put([Example("x", "x", f"a{n}") for n in range(1001)], "")
    with pytest.raises(InvalidArgument, match="BCP 47"):
        datasets.put([Example("x", "x", "en" + "-abcdefgh" * 8)], "")


def test_a_dataset_is_removed_with_its_card(tmp_path: Path, datasets: Datasets) -> None:
    kept, name = datasets.put(ALL_KINDS[1:], "kept").name, datasets.put(ALL_KINDS, "gone").name
    other = Datasets(Store(str(tmp_path / "store")), tmp_path / "scratch")
    assert other.get(name).title == "gone"
    datasets.delete(name)
    for each in (datasets, other):
        assert each.names() == [kept]
        with pytest.raises(NotFound):
            each.get(name)
        with pytest.raises(NotFound):
            each.delete(name)
    assert len(objects(tmp_path)) == 2
    # Put again, by a server that knew the old card, it has a card again.
    assert other.put(ALL_KINDS, "again").title == "again"
    assert Datasets(Store(str(tmp_path / "store")), tmp_path / "scratch").get(name).title == "again"


@pytest.mark.parametrize("name", ["", "maps/" + "0" * 64, "datasets/../x", "datasets/0"])
def test_only_datasets_are_removed(name: str, datasets: Datasets) -> None:
    with pytest.raises(InvalidArgument):
        datasets.delete(name)


def test_what_fits_no_message_is_not_stored(tmp_path: Path) -> None:
    """A transform may make a text longer than any that came: it could never be read back."""
    store = Store(str(tmp_path / "store"))
    datasets = Datasets(store, tmp_path / "scratch", longest=10_000)
    fits = Example("a", "é" * 4900, "en")
    with pytest.raises(LimitExceeded, match="at most 10000 bytes, but example 'b' has 100"):
        datasets.put([fits, Example("b", "é" * 5000, "en")], "")
    assert datasets.names() == []
    assert list(datasets.read(datasets.put([fits], "").name)) == [fits]

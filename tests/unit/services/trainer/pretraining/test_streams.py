"""Streams on disk: what texts become, what is counted, and when they are made again."""

import tracemalloc
from collections.abc import Iterable
from pathlib import Path

import numpy as np
import pytest
from babelscope.data.examples import Example, Sentence, Word
from babelscope.data.jobs.architecture import Architecture

from services.models.tokens.tokenization import Tokenizer
from services.runtime.errors import InvalidArgument
from services.trainer.pretraining.cutting import Cutter
from services.trainer.pretraining.plan import Form
from services.trainer.pretraining.start import draw_model
from services.trainer.pretraining.streams import StreamSet, stored, text_key
from services.trainer.pretraining.vocabularies import Vocabularies
from tests.support.pretraining import ENTRIES, vocabulary


@pytest.fixture(scope="module")
def tokenizer(tmp_path_factory: pytest.TempPathFactory) -> Tokenizer:
    """The tokenizer of a new model."""
    folder = tmp_path_factory.mktemp("model") / "new"
    made = Architecture(layers=1, hidden_size=8, heads=1, feed_forward=8)
    draw_model(folder, made, Vocabularies(vocabulary()), "made", seed=0)
    return Tokenizer.load(folder, "made")


def _cut(tokenizer: Tokenizer, form: Form, *texts: object, room: int = 4) -> list[list[int]]:
    examples = [Example(str(place), text) for place, text in enumerate(texts)]  # type: ignore[arg-type]
    return [ids.tolist() for ids in Cutter(tokenizer, form, room, len(ENTRIES), "made")(examples)]


def test_texts_are_joined_with_separators_and_the_last_stream_is_shorter(tokenizer: Tokenizer) -> None:
    assert _cut(tokenizer, "text", "en0 en1 en2", "", "en3 what", "en4") == [[5, 6, 7, 3], [8, 1, 3, 9], [3]]


def test_streams_of_pieces_and_ids_stay_as_they_are(tokenizer: Tokenizer) -> None:
    expected = [[5, 6, 3], [25]]
    assert _cut(tokenizer, "pieces", "en0 en1 [SEP]", " ", "sv0") == expected
    assert _cut(tokenizer, "ids", "5 6 3", "", "25") == expected


@pytest.mark.parametrize(
    ("form", "text", "problem"),
    [
        ("pieces", "en0 fi1", "Expected pieces of the model's vocabulary, but got 'fi1'"),
        ("ids", "5 x", "Expected ids of the model's vocabulary, but got 'x'"),
        ("ids", "5 45", r"Expected ids within 0..44, but got 45"),
        ("ids", "5 -1", "Expected ids within 0..44, but got -1"),
        ("ids", "5 5 5 5 5", "Expected a stream of at most 4 tokens, without those around it, but got 5"),
        ("text", Sentence((Word("en0"),), "en0"), "Expected running text, but got Sentence"),
    ],
)
def test_what_is_no_stream_is_refused_by_name(tokenizer: Tokenizer, form: Form, text: object, problem: str) -> None:
    with pytest.raises(InvalidArgument, match=problem) as raised:
        _cut(tokenizer, form, text)
    assert raised.value.field == "dataset made example 0"


def _stored(folder: Path, texts: Iterable[str], **made_of: object) -> tuple[StreamSet, int]:
    reads = 0

    def examples() -> Iterable[Example]:
        nonlocal reads
        reads += 1
        return [Example(str(place), text) for place, text in enumerate(texts)]

    def cut(found: Iterable[Example]) -> Iterable[np.ndarray]:
        return (np.array(each.content.split(), dtype=np.int32) for each in found)  # type: ignore[union-attr]

    known = frozenset({text_key(Example("x", "3 1"))})
    made = stored(
        folder, made_of, examples, cut, 9, language="en", dataset="made", known=known,  # type: ignore[arg-type]
    )  # fmt: skip
    return made, reads


def test_streams_are_made_once_and_again_where_anything_differs(tmp_path: Path) -> None:
    made, reads = _stored(tmp_path / "a", ["1 2", "3 1 ", "4"], form="ids")
    assert reads == 1
    assert (made.counts.examples, made.counts.streams, made.counts.tokens, made.counts.known) == (3, 3, 5, 1)
    assert [made.stream(place).tolist() for place in range(3)] == [[1, 2], [3, 1], [4]]
    assert made.lengths.tolist() == [2, 2, 1]
    assert np.flatnonzero(made.seen).tolist() == [1, 2, 3, 4]
    assert isinstance(made.ids, np.memmap)
    again, reads = _stored(tmp_path / "a", ["1 2", "3 1 ", "4"], form="ids")
    assert (reads, again.counts) == (0, made.counts)
    other, reads = _stored(tmp_path / "a", ["1 2 3", "1 4"], form="pieces")
    assert reads == 1
    assert other.counts.digest != made.counts.digest


def test_streams_that_were_broken_off_are_made_again(tmp_path: Path) -> None:
    def broken() -> Iterable[str]:
        yield "1 2"
        raise OSError("gone")

    with pytest.raises(OSError, match="gone"):
        _stored(tmp_path / "a", broken())
    assert not list(tmp_path.glob("a*"))
    assert _stored(tmp_path / "a", ["1"])[0].counts.streams == 1


@pytest.mark.parametrize("harm", ["flip", "cut", "remove"])
@pytest.mark.parametrize("name", ["ids.bin", "starts.npy", "seen.npy", "streams.json"])
def test_streams_that_are_damaged_on_the_disk_are_made_again(tmp_path: Path, name: str, harm: str) -> None:
    texts = ["1 2", "3 1"]
    made, _ = _stored(tmp_path / "a", texts)
    path = tmp_path / "a" / name
    whole = path.read_bytes()
    del made
    for place in range(len(whole)) if harm == "flip" and name != "streams.json" else (0, len(whole) // 2):
        match harm:
            case "flip":
                path.write_bytes(whole[:place] + bytes([whole[place] ^ 1]) + whole[place + 1 :])
            case "cut":
                path.write_bytes(whole[:place])
            case "remove":
                path.unlink()
        again, reads = _stored(tmp_path / "a", texts)
        assert reads == 1, place
        assert [again.stream(each).tolist() for each in range(2)] == [[1, 2], [3, 1]]
        assert path.read_bytes() == whole


def test_counts_that_are_changed_in_the_record_are_made_again(tmp_path: Path) -> None:
    made, _ = _stored(tmp_path / "a", ["1 2", "3 1"])
    path = tmp_path / "a" / "streams.json"
    path.write_text(path.read_text().replace('"known": 1', '"known": 2'))
    again, reads = _stored(tmp_path / "a", ["1 2", "3 1"])
    assert (reads, again.counts) == (1, made.counts)


def test_a_corpus_is_never_held_in_memory(tmp_path: Path) -> None:
    """Twenty thousand streams, 20 MB of ids, of examples that come one by one."""
    stream = np.arange(256, dtype=np.int32) % 9
    tracemalloc.start()
    try:
        made = stored(
            tmp_path / "a",
            {},
            lambda: (Example(str(place), "") for place in range(20_000)),
            lambda examples: (stream for _ in examples),
            9,
            language="en",
            dataset="made",
        )
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert made.counts.tokens * 4 == 20_480_000 == (tmp_path / "a" / "ids.bin").stat().st_size
    assert peak < 8_000_000
    assert np.array_equal(made.stream(19_999), stream)


def test_a_set_without_text_has_no_stream(tmp_path: Path) -> None:
    made, _ = _stored(tmp_path / "a", [])
    assert (made.counts.streams, made.counts.tokens, made.lengths.tolist()) == (0, 0, [])

"""Co-occurrences against a plain count, whatever the parts and the files that they are spread over."""

import math
from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from services.trainer.data.pieces import Ints
from services.trainer.pretraining.streams import StreamCounts, StreamSet
from services.trainer.static import cooccurrences, corpus
from services.trainer.static.corpus import Corpus

SPECIAL = np.array([True, True, *([False] * 10)])


def made(seed: int = 0, streams: int = 40) -> Corpus:
    """Streams of up to nine tokens, of which some are special."""
    rng = np.random.default_rng(seed)
    lengths = rng.integers(1, 10, size=streams)
    ids = rng.integers(1, 12, size=int(lengths.sum())).astype(np.int32)
    starts = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)
    counts = StreamCounts(streams, streams, len(ids), 0, "")
    return Corpus.of([StreamSet("en", "d", counts, ids, starts, np.ones(12, dtype=bool))] * 2, SPECIAL)


def _plain(streams: Corpus, places: Ints, window: int) -> dict[tuple[int, int], float]:
    """X by the letter: each token looks at those before it in its run."""
    found: Counter[tuple[int, int]] = Counter()
    for each in streams.sets:
        for first, last in zip(each.starts[:-1], each.starts[1:], strict=True):
            run: list[int] = []
            for token in [*each.ids[first:last].tolist(), 0]:
                if streams.special[token]:
                    kept = [int(places[other]) for other in run if places[other] >= 0]
                    for at, word in enumerate(kept):
                        for distance in range(1, min(window, at) + 1):
                            other = kept[at - distance]
                            found[word, other] += 1 / distance  # type: ignore[assignment]
                            found[other, word] += 1 / distance  # type: ignore[assignment]
                    run = []
                else:
                    run.append(token)
    return dict(found)


@pytest.mark.parametrize(("part_tokens", "file_bytes"), [(1 << 18, 64 << 20), (16, 512), (1, 64)])
@pytest.mark.parametrize("window", [1, 3, 20])
def test_counts_are_those_of_a_plain_loop(
    window: int, part_tokens: int, file_bytes: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(corpus, "PART_TOKENS", part_tokens)
    monkeypatch.setattr(cooccurrences, "FILE_BYTES", file_bytes)
    monkeypatch.setattr(cooccurrences, "PAIRS_AT_ONCE", file_bytes >> 4)
    streams = made(streams=12)
    places = np.full(12, -1)
    places[2:11] = np.random.default_rng(1).permutation(9)
    counted = cooccurrences.count(streams, places, window, tmp_path / "counts")
    assert len(counted.files) == 1 or file_bytes < 1 << 20
    found: dict[tuple[int, int], float] = {}
    for place in range(len(counted.files)):
        part = counted.read(place)
        pairs = zip(part.words.tolist(), part.contexts.tolist(), strict=True)
        for pair, value in zip(pairs, part.values.tolist(), strict=True):
            assert pair not in found
            found[pair] = value
    expected = _plain(streams, places, window)
    assert found == pytest.approx(expected, rel=1e-12)
    assert counted.size == len(expected)
    assert all(math.isclose(value, found[right, left]) for (left, right), value in found.items())


@pytest.mark.parametrize("part_tokens", [1 << 18, 7, 1])
def test_runs_are_what_stands_between_special_tokens(part_tokens: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(corpus, "PART_TOKENS", part_tokens)
    streams = made(3, 25)
    expected = []
    for each in streams.sets:
        for first, last in zip(each.starts[:-1], each.starts[1:], strict=True):
            parts = "".join(chr(token) for token in each.ids[first:last]).split("\x01")
            expected += [[ord(token) for token in part] for part in parts if part]
    assert [run.tolist() for run in streams.runs()] == expected
    assert streams.tokens == sum(map(len, expected)) == int(streams.counts.sum())
    assert not streams.counts[SPECIAL].any()


def test_counts_are_made_once_and_again_where_a_byte_has_changed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    places = np.full(12, -1)
    places[2:] = np.arange(10)
    streams, folder = made(), tmp_path / "counts"
    first = cooccurrences.count(streams, places, 3, folder)
    written = first.files[0].read_bytes()
    with monkeypatch.context() as patched:
        patched.setattr(Corpus, "parts", lambda self: pytest.fail("counted again"))
        assert cooccurrences.count(streams, places, 3, folder) == first
    first.files[0].write_bytes(written[:-1] + bytes([written[-1] ^ 1]))
    assert cooccurrences.count(streams, places, 3, folder) == first
    assert first.files[0].read_bytes() == written
    wider = cooccurrences.count(streams, places, 4, folder)
    assert wider.size > first.size
    assert [path.name for path in tmp_path.iterdir()] == ["counts"]

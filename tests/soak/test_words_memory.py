"""What an encoder holds while it averages words: as much as the vocabulary asks for, however long the corpus is."""

import os
import sys
from collections.abc import Iterator
from pathlib import Path
from statistics import median

import babelscope
import numpy as np
import pytest

from tests.support.models import make_root

pytestmark = [pytest.mark.soak, pytest.mark.timeout(3600)]
FEW, MANY = 10_000, int(os.environ.get("SOAK_SENTENCES", "400000"))
WORDS, MORE_WORDS = 4_000, 60_000
LENGTH = 10
"""Words of a sentence."""
KEPT = 18
"""Bytes that an occurrence would take at least if it were kept."""
GROWTH = (MANY - FEW) * LENGTH * KEPT // 2
"""Bytes that tell a corpus kept from one let go, and from what the memory of a process varies by, some 20 MB."""
STEP = 100
"""Sentences from one look to the next."""
SUMS = 3 * 32 * 8
"""Bytes of the sums of a word: layers, width and double precision of the model `tiny`."""


def _corpus(sentences: int, words: int) -> Iterator[str]:
    """Sentences that have each of the words, drawn by a fixed seed."""
    rng = np.random.default_rng(0)
    once = (f"w{place}x" for place in range(words))
    for _ in range(sentences):
        drawn = rng.integers(words, size=LENGTH)
        yield " ".join(next(once, "") or f"w{place}x" for place in drawn)


def _resident(pid: int) -> int:
    """Resident bytes of a process."""
    return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def _watched(sentences: Iterator[str], pid: int, seen: list[int]) -> Iterator[str]:
    """The sentences as they are taken; notes what the encoder has resident meanwhile."""
    for number, sentence in enumerate(sentences):
        if number % STEP == 0:
            seen.append(_resident(pid))
        yield sentence


def test_memory_depends_on_the_vocabulary_alone(tmp_path: Path) -> None:
    root = make_root(tmp_path / "models")
    # With an arena a thread, glibc keeps 10 to 30 MB more or less of what was let go; with one, what is held is seen.
    env = {"BABELSCOPE_HUB": "false", "MALLOC_ARENA_MAX": "1"}
    late = []
    with babelscope.local(("encoder",), model_roots=[root], store=tmp_path / "store", env=env) as mesh:
        for sentences, words in ((FEW, WORDS), (MANY, WORDS), (FEW, MORE_WORDS)):
            seen: list[int] = []
            pid = mesh.pids["encoder"]
            assert pid is not None
            found = mesh.encoder.encode_words(_watched(_corpus(sentences, words), pid, seen), model="tiny")
            assert (len(found.words), int(found.counts.sum())) == (words, sentences * LENGTH)
            # Towards the end, when most is held; the median, as what is on its way comes and goes.
            late.append(median(seen[-len(seen) // 5 :]))
            sys.stderr.write(f"{sentences} sentences of {words} words: {late[-1] / 2**20:.1f} MB towards the end\n")
        assert mesh.restarts["encoder"] == 0
    few, many, more_words = late
    assert many - few < GROWTH, late
    # That vocabularies do take memory shows that it was looked at in the right place.
    assert more_words - many > (MORE_WORDS - WORDS) * SUMS / 2, late

"""What an encoder holds while it averages words: as much as the vocabulary asks for, however long the corpus is."""

import os
import sys
from collections.abc import Iterator
from pathlib import Path

import babelscope
import numpy as np
import pytest

from tests.support.models import make_root

pytestmark = [pytest.mark.soak, pytest.mark.timeout(3600)]
FEW, MANY = 10_000, int(os.environ.get("SOAK_SENTENCES", "100000"))
WORDS, MORE_WORDS = 4_000, 60_000
LENGTH = 10
"""Words of a sentence."""
GROWTH = 16 << 20
"""Bytes that tell a corpus kept from one let go: each occurrence, kept in eighteen bytes, would take as much."""
SUMS = 3 * 32 * 8
"""Bytes of the sums of a word: layers, width and double precision of the model `tiny`."""


def _corpus(sentences: int, words: int) -> Iterator[str]:
    """Sentences that have each of the words, drawn by a fixed seed."""
    rng = np.random.default_rng(0)
    once = (f"w{place}x" for place in range(words))
    for _ in range(sentences):
        drawn = rng.integers(words, size=LENGTH)
        yield " ".join(next(once, "") or f"w{place}x" for place in drawn)


def _highest(mesh: babelscope.LocalMesh) -> int:
    """Resident bytes of the encoder at their highest so far."""
    lines = Path(f"/proc/{mesh.pids['encoder']}/status").read_text().splitlines()
    return next(int(line.split()[1]) << 10 for line in lines if line.startswith("VmHWM:"))


def test_memory_depends_on_the_vocabulary_alone(tmp_path: Path) -> None:
    root = make_root(tmp_path / "models")
    env = {"BABELSCOPE_HUB": "false"}
    highest = []
    with babelscope.local(("encoder",), model_roots=[root], store=tmp_path / "store", env=env) as mesh:
        for sentences, words in ((FEW, WORDS), (MANY, WORDS), (FEW, MORE_WORDS)):
            found = mesh.encoder.encode_words(_corpus(sentences, words), model="tiny")
            assert (len(found.words), int(found.counts.sum())) == (words, sentences * LENGTH)
            highest.append(_highest(mesh))
            sys.stderr.write(f"{sentences} sentences of {words} words: highest {highest[-1] / 2**20:.1f} MB\n")
        assert mesh.restarts["encoder"] == 0
    few, many, more_words = highest
    assert many - few < GROWTH, highest
    # That vocabularies do take memory shows that it was looked at in the right place.
    assert more_words - many > (MORE_WORDS - WORDS) * SUMS / 2, highest

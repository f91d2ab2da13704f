"""A large corpus through the datagen service, in and out: its memory does not grow with the corpus.

`make soak` sends SOAK_MEGABYTES, 1,000 by default, through PutDataset, a stored pipeline that reads its input twice,
and GetDataset. Nothing of it is held here either: the corpus is made while it is sent.
"""

import os
import random
import shutil
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import babelscope
import pytest
from babelscope import Example, Step

MEGABYTES = int(os.environ.get("SOAK_MEGABYTES", "1000"))
WARM_SHARE = 0.2
GROWTH_AT_MOST_MB = 64.0
DISK_PER_BYTE = 3
WORDS = 5000

pytestmark = [pytest.mark.soak, pytest.mark.timeout(600 + 2 * MEGABYTES)]


def _word(number: int) -> str:
    letters = "abcdefghijklmnopqrstuvwxyz"
    return "".join(letters[number // 26**place % 26] for place in range(2 + number % 6)) + str(number % 7)


class _Corpus:
    """Texts of about 800 bytes, made anew each time they are read."""

    def __init__(self, megabytes: int) -> None:
        draw = random.Random(0)
        words = list({_word(number) for number in range(WORDS)})
        words.sort()
        self.words = words
        self.sentences = [" ".join(draw.choices(words, k=16)) + "." for _ in range(20_000)]
        self.size = megabytes * 1_000_000

    def __iter__(self) -> Iterator[Example]:
        draw, made, number = random.Random(1), 0, 0
        while made < self.size:
            text = " ".join(draw.choices(self.sentences, k=10))
            made, number = made + len(text), number + 1
            yield Example(f"t{number}", text, "en")


class _Watch:
    """The resident memory of a process, sampled until it is left, each sample with how far the work was.

    Args:
        pid: The process.
        position: How far the work is, in bytes.
    """

    def __init__(self, pid: int, position: Callable[[], int]) -> None:
        self._pid, self._position = pid, position
        self.samples: list[tuple[int, float]] = []
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._run)

    def __enter__(self) -> "_Watch":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._over.wait(0.2):
            pages = int(Path(f"/proc/{self._pid}/statm").read_text().split()[1])
            self.samples.append((self._position(), pages * os.sysconf("SC_PAGE_SIZE") / 1e6))

    def growth(self, size: int) -> float:
        """MB that the highest sample lies above the highest of the work's first part."""
        early = max(memory for at, memory in self.samples if at <= WARM_SHARE * size)
        return max(memory for _, memory in self.samples) - early


def test_a_corpus_of_any_size_needs_the_same_memory(tmp_path: Path) -> None:
    if shutil.disk_usage(tmp_path).free < DISK_PER_BYTE * MEGABYTES * 1_000_000:
        pytest.skip(f"less than {DISK_PER_BYTE * MEGABYTES} MB free on the disk of {tmp_path}")
    corpus = _Corpus(MEGABYTES)
    dictionary = tmp_path / "pairs" / "en-xx.tsv"
    dictionary.parent.mkdir()
    dictionary.write_text("".join(f"{word}\t{word[::-1]}\n" for word in corpus.words[::2]), encoding="utf-8")
    environment = {
        "BABELSCOPE_DICTIONARY_ROOTS": str(dictionary.parent),
        "XDG_CACHE_HOME": str(tmp_path / "cache"),
        "BABELSCOPE_SCRATCH_DIR": str(tmp_path / "scratch"),
    }
    steps = [
        Step("code_switch", {"dictionary": str(dictionary.parent), "languages": "xx"}),
        Step("permute_vocabulary", {}),
    ]
    figures: dict[str, float] = {}
    with babelscope.local(("datagen",), store=tmp_path / "store", env=environment) as mesh:
        pid = mesh.pids["datagen"]
        assert pid is not None
        at = 0

        def counted(examples: Iterator[Example]) -> Iterator[Example]:
            nonlocal at
            at = 0
            for example in examples:
                at += len(example.content) if isinstance(example.content, str) else 0
                yield example

        with _Watch(pid, lambda: at) as watch:
            put = mesh.datagen.put_dataset(counted(iter(corpus)), timeout=None)
        figures["put"] = watch.growth(corpus.size)

        def told(progress: babelscope.Progress) -> None:
            nonlocal at
            at = round(corpus.size * progress.done / max(progress.total, 1))

        at = 0
        with _Watch(pid, lambda: at) as watch:
            stream = mesh.datagen.transform(put.name, steps, store_as="permuted", progress=told).finish()
        figures["transform"] = watch.growth(corpus.size)
        assert stream.dataset is not None
        assert stream.dataset.examples == put.examples
        with _Watch(pid, lambda: at) as watch:
            received = sum(1 for _ in counted(iter(mesh.datagen.get_dataset(stream.dataset.name))))
        figures["get"] = watch.growth(corpus.size)
        assert received == put.examples
    assert max(figures.values()) < GROWTH_AT_MOST_MB, figures

"""Whether ids repeat, in memory that does not grow with the corpus: digests in sorted runs on the disk."""

import contextlib
import hashlib
import mmap
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from services.runtime.errors import InvalidArgument, LimitExceeded

DIGEST_BYTES = 16
Digests = NDArray[np.bytes_]


class Distinct:
    """Remembers which examples there were, by a digest of language and id.

    The newest digests are a set in memory; each time there are `run` of them they become a sorted array in a file,
    which is searched by bisection. Two different ids are taken for one with a chance of n^2 / 2^129.

    Args:
        folder: For the file; it has no name and is gone with this object.
        run: Digests in memory, and in each run.
    """

    def __init__(self, folder: Path, run: int = 1 << 17) -> None:
        self._folder, self._run = folder, run
        self._recent: set[bytes] = set()
        self._runs: list[Digests] = []
        self._files: list[Any] = []

    def add(self, pairs: list[tuple[str, str]]) -> None:
        """Adds the next examples.

        Args:
            pairs: Id and language of each.

        Raises:
            InvalidArgument: One was there before; the message names it.
            LimitExceeded: The disk of the folder is full.
        """
        digests = [_digest(name, language) for name, language in pairs]
        for digest, pair in zip(digests, pairs, strict=True):
            if digest in self._recent:
                raise _repeated(*pair)
            self._recent.add(digest)
        if self._runs and digests:
            asked = np.array(digests, dtype=f"S{DIGEST_BYTES}")
            for run in self._runs:
                places = np.minimum(np.searchsorted(run, asked), len(run) - 1)
                found = np.flatnonzero(run[places] == asked)
                _let_go(run)
                if len(found):
                    raise _repeated(*pairs[int(found[0])])
        if len(self._recent) >= self._run:
            self._spill()

    def close(self) -> None:
        """Gives the files back."""
        self._runs.clear()
        for file in self._files:
            with contextlib.suppress(OSError):  # bytes that found no room are of no use any more
                file.close()
        self._files.clear()

    def _spill(self) -> None:
        """Moves the newest digests to a sorted run."""
        run = np.sort(np.array(list(self._recent), dtype=f"S{DIGEST_BYTES}"))
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
            file = tempfile.TemporaryFile(dir=self._folder, prefix="ids-")  # noqa: SIM115 - open as long as it is mapped
            self._files.append(file)
            file.write(run.tobytes())
            file.flush()
        except OSError as error:
            raise LimitExceeded(
                "scratch_dir",
                f"Expected room for {run.nbytes} bytes in the scratch folder, but got: {error.strerror or error}",
            ) from error
        self._runs.append(np.memmap(file, dtype=f"S{DIGEST_BYTES}", mode="r", shape=(len(run),)))
        self._recent = set()


def _let_go(run: Any) -> None:
    """Gives the pages of a run that were looked at back to the system's cache: they are no memory of this process."""
    run._mmap.madvise(mmap.MADV_DONTNEED)  # numpy has no name of its own for the map


def _digest(name: str, language: str) -> bytes:
    return hashlib.blake2b(f"{language}\x1f{name}".encode(), digest_size=DIGEST_BYTES).digest()


def _repeated(name: str, language: str) -> InvalidArgument:
    of = f" of language {language!r}" if language else ""
    return InvalidArgument(f"examples[{name}].id", f"Expected each id once in a language, but got {name!r}{of} again")

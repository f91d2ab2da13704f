"""SHA-256 of a model's files and of what is drawn anew: equal digests, equal weights."""

import hashlib
import json
import threading
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

from services.models.spec import Reinit
from services.runtime.work import check_here

_BLOCK_BYTES = 1 << 22

_known: dict[tuple[str, int, int, int, int], str] = {}
_lock = threading.Lock()


def file_digest(path: Path) -> str:
    """SHA-256 of a file, read once for each path, inode, size and times of change."""
    real = path.resolve(strict=True)
    state = real.stat()
    key = (str(real), state.st_ino, state.st_size, state.st_mtime_ns, state.st_ctime_ns)
    with _lock:
        if key in _known:
            return _known[key]
    digest = hashlib.sha256()
    with real.open("rb") as stream:
        while block := stream.read(_BLOCK_BYTES):
            check_here()
            digest.update(block)
    with _lock:
        _known[key] = digest.hexdigest()
    return digest.hexdigest()


def folder_digest(files: Sequence[Path]) -> str:
    """SHA-256 over the names and the contents of files, in order of name."""
    digest = hashlib.sha256()
    for path in sorted(files, key=lambda item: item.name):
        digest.update(f"{path.name}\0{file_digest(path)}\n".encode())
    return digest.hexdigest()


def tokens_digest(base: str, difference: str) -> str:
    """The digest of a model whose tokens differ from those that transformers makes of its folder; else the base's own.

    Answers computed with the tokens of transformers are kept under the base's digest, and must not be taken for these.
    """
    return hashlib.sha256(f"{base}\ntokens {difference}".encode()).hexdigest() if difference else base


def reinit_digest(base: str, reinit: Sequence[Reinit]) -> str:
    """The digest of a model whose layers were drawn anew; the base's own where there are none."""
    if not reinit:
        return base
    steps = [asdict(step) | {"layers": sorted(set(step.layers))} for step in reinit]
    return hashlib.sha256(f"{base}\n{json.dumps(steps, sort_keys=True)}".encode()).hexdigest()

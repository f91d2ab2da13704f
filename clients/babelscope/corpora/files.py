"""Opening corpora: plain or gzip by their first bytes, UTF-8 held strictly, lines ended by LF alone."""

import gzip
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO, cast

from babelscope.errors import CorpusError

GZIP_MAGIC = b"\x1f\x8b"
BOM = "\ufeff"
LONGEST_LINE = 64 << 20
"""Bytes of a line: a file of zeros, packed a thousandfold, is one line without end."""
LARGEST_WHOLE = 4 << 30
"""Unpacked bytes of a file that is read as a whole."""
_PORTION = 1 << 20


@contextmanager
def open_bytes(path: Path) -> Iterator[BinaryIO]:
    """Opens a file for reading, unpacking it where its first bytes are gzip's, whatever its name.

    Raises:
        CorpusError: There is no such file, it cannot be read, or its gzip data are damaged or cut short.
    """
    try:
        with path.open("rb") as raw:
            packed = raw.read(len(GZIP_MAGIC)) == GZIP_MAGIC
            raw.seek(0)
            if packed:
                with gzip.open(raw) as unpacked:
                    yield cast(BinaryIO, unpacked)
            else:
                yield raw
    except (gzip.BadGzipFile, EOFError, zlib.error) as error:
        raise CorpusError(path, 0, f"Expected whole gzip data, but got damaged ones ({error})") from error
    except OSError as error:
        raise CorpusError(path, 0, f"Expected a readable file, but got: {error.strerror or error}") from error


def read_lines(path: Path) -> Iterator[tuple[int, str]]:
    """Yields (line number from 1, line without its end), holding one line at a time.

    Only LF ends a line (a CR right before it belongs to the end): U+2028, U+0085, vertical tabs and lone CRs are text.
    A byte-order mark at the start of the file is left out; anywhere else it is text.

    Raises:
        CorpusError: The file cannot be read, a line is not UTF-8, or it has more than `LONGEST_LINE` bytes.
    """
    with open_bytes(path) as stream:
        for number, data in enumerate(iter(lambda: stream.readline(LONGEST_LINE + 1), b""), start=1):
            if len(data) > LONGEST_LINE:
                raise CorpusError(path, number, f"Expected lines of at most {LONGEST_LINE} bytes, but got a longer one")
            line = _decode(path, number, data.removesuffix(b"\n").removesuffix(b"\r"))
            yield number, line.removeprefix(BOM) if number == 1 else line


def read_whole(path: Path) -> str:
    """A whole file as text, for formats that cannot be read by lines.

    Raises:
        CorpusError: The file cannot be read, is not UTF-8, or has more than `LARGEST_WHOLE` bytes.
    """
    with open_bytes(path) as stream:
        parts: list[bytes] = []
        read = 0
        while part := stream.read(_PORTION):
            read += len(part)
            if read > LARGEST_WHOLE:
                raise CorpusError(path, 0, f"Expected at most {LARGEST_WHOLE} bytes, unpacked, but got more")
            parts.append(part)
    data = b"".join(parts)
    try:
        return data.decode("utf-8").removeprefix(BOM)
    except UnicodeDecodeError as error:
        raise _not_utf8(path, data.count(b"\n", 0, error.start) + 1, error) from error


def _decode(path: Path, number: int, data: bytes) -> str:
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError as error:
        raise _not_utf8(path, number, error) from error


def _not_utf8(path: Path, number: int, error: UnicodeDecodeError) -> CorpusError:
    byte = error.object[error.start]
    return CorpusError(path, number, f"Expected UTF-8, but got byte 0x{byte:02x} ({error.reason})")

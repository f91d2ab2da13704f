"""Names in requests to ids of the job table, and texts that tables and columns take."""

import math

from services.runtime.errors import InvalidArgument
from services.runtime.paging import OF_ANOTHER_LIST

JOBS, CHECKPOINTS = "jobs/", "checkpoints/"
LONGEST: int = 255
"""Characters of a tag, of a label and of other short texts that the table keeps."""
_LONGEST_ID = 64


def read_job_name(name: str, field: str = "name") -> str:
    """The id of `jobs/ID`.

    Raises:
        InvalidArgument: It is no such name.
    """
    return _read_name(name, JOBS, field)


def read_checkpoint_name(name: str, field: str = "name") -> str:
    """The id of `checkpoints/ID`.

    Raises:
        InvalidArgument: It is no such name.
    """
    return _read_name(name, CHECKPOINTS, field)


def read_short(text: str, field: str) -> str:
    """A text that is short and can be printed.

    Raises:
        InvalidArgument: It is longer than `LONGEST`, or holds NUL or another character that cannot be printed.
    """
    if len(text) > LONGEST:
        raise InvalidArgument(field, f"Expected at most {LONGEST} characters, but got {len(text)}")
    if not text.isprintable():
        raise InvalidArgument(field, f"Expected characters that can be printed, but got {text!a}")
    return text


def read_key(after: tuple[str, ...]) -> tuple[float, str] | None:
    """Time and id of the last entry of the page before.

    Args:
        after: The parts of a page token: a finite time in the form in which it was written, and the id.

    Raises:
        InvalidArgument: The token is that of another list, or was never given.
    """
    if not after:
        return None
    try:
        time, name = after
        found = float(time), name
    except ValueError:
        found = 0.0, ""
    # The order of NaN and infinity is not the same in every database, and SQLite knows no NaN at all.
    if not _is_id(found[1]) or not math.isfinite(found[0]) or repr(found[0]) != after[0]:
        raise InvalidArgument("page_token", OF_ANOTHER_LIST)
    return found


def _read_name(name: str, prefix: str, field: str) -> str:
    found = name.removeprefix(prefix)
    if found == name or not _is_id(found):
        raise InvalidArgument(field, f"Expected {prefix}ID, but got {name[:100]!r}")
    return found


def _is_id(text: str) -> bool:
    return 0 < len(text) <= _LONGEST_ID and text.isascii() and text.isalnum()

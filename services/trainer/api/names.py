"""Names in requests to ids of the job table, and texts that tables and columns take."""

from services.runtime.errors import InvalidArgument

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

    Raises:
        InvalidArgument: The token is that of another list.
    """
    if not after:
        return None
    try:
        time, name = after
        found = float(time), name
    except ValueError:
        found = 0.0, ""
    if not _is_id(found[1]):
        raise InvalidArgument(
            "page_token", "Expected the `next_page_token` of a page before, but got that of another list"
        )
    return found


def _read_name(name: str, prefix: str, field: str) -> str:
    found = name.removeprefix(prefix)
    if found == name or not _is_id(found):
        raise InvalidArgument(field, f"Expected {prefix}ID, but got {name[:100]!r}")
    return found


def _is_id(text: str) -> bool:
    return 0 < len(text) <= _LONGEST_ID and text.isascii() and text.isalnum()

"""Names that clients send and that become part of a path: one check for all services.

A name that passes leads to nothing outside of the folder that it is joined to, except by a symbolic link, and is one
that every file system takes. Who opens a file by such a name reads it through `read_bounded`, so that neither a device
nor an endless file holds up the server.
"""

import os
import stat
from pathlib import Path
from typing import Final

from services.runtime.errors import InvalidArgument

MOST_PART_BYTES: Final = 255
MOST_NAME_BYTES: Final = 1024
_SHOWN: Final = 80


def problem_of(name: str) -> str:
    """What keeps a name from being a relative path of plain parts.

    Args:
        name: Parts separated by `/`.

    Returns:
        A phrase that begins with "it"; empty where the name is a good one.
    """
    try:
        size = len(name.encode("utf-8"))
    except UnicodeEncodeError:
        return "it holds half of a surrogate pair"
    parts = name.split("/")
    if not name:
        return "it is empty"
    if name.startswith("/"):
        return "it is absolute"
    if not name.isprintable():
        return "it holds a character that cannot be printed"
    if "\\" in name:
        return "it holds a backslash"
    if any(part in ("", ".", "..") for part in parts):
        return "it has a part that is empty, `.` or `..`"
    if size > MOST_NAME_BYTES:
        return f"it has {size} bytes, and the limit is {MOST_NAME_BYTES}"
    longest = max(len(part.encode("utf-8")) for part in parts)
    if longest > MOST_PART_BYTES:
        return f"it has a part of {longest} bytes, and the limit is {MOST_PART_BYTES}"
    return ""


def check_name(name: str, field: str, expected: str) -> str:
    """Refuses a name that is no relative path of plain parts.

    Args:
        name: Name as the client sent it.
        field: Field of the request that held the name.
        expected: What the name is of, a noun phrase: "a hub id or a folder's path below a model root".

    Returns:
        The name.

    Raises:
        InvalidArgument: The name is absolute, empty, too long, or holds `..`, a backslash or a character that cannot
            be printed.
    """
    problem = problem_of(name)
    if problem:
        raise InvalidArgument(field, f"Expected {expected}, but got {shown(name)}: {problem}")
    return name


def shown(name: str) -> str:
    """A name as messages show it: its beginning, escaped."""
    return ascii(name) if len(name) <= _SHOWN else f"{name[:_SHOWN]!a}..."


def read_bounded(path: Path, most_bytes: int) -> bytes:
    """Reads a regular file of bounded size.

    Args:
        path: The file; a symbolic link is followed.
        most_bytes: Largest size that is read.

    Raises:
        OSError: There is no such file, it is no regular file, it is larger, or it cannot be read.
    """
    # Opening a pipe would wait for its writer.
    number = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    with os.fdopen(number, "rb") as file:
        state = os.fstat(number)
        if not stat.S_ISREG(state.st_mode):
            raise OSError(f"Expected {path.name} to be a regular file, but it is none")
        data = file.read(most_bytes + 1)
    if len(data) > most_bytes:
        raise OSError(f"Expected {path.name} to have at most {most_bytes} bytes, but it has more")
    return data

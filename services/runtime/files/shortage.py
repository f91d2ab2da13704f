"""What the system says where a machine has too little: room on a disk, or files and connections that may be open."""

import errno
import resource
from typing import Final

from services.runtime.errors import LimitExceeded

FULL: Final = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})
"""Errors of a disk without room."""
_OPEN: Final = frozenset({errno.EMFILE, errno.ENFILE})
_SECONDS: Final = 5.0


def shortage(error: BaseException) -> LimitExceeded | None:
    """What a client is told where an error, or one that it was raised from, is a lack of the server's machine.

    Args:
        error: An error that ends a request.

    Returns:
        The error in its place; None where it is another one, or says of itself what is lacking.
    """
    if isinstance(error, LimitExceeded):
        return None
    if isinstance(error, OSError):
        if error.errno in FULL:
            return LimitExceeded("disk", "Expected room on a disk of this server, but there is none", _SECONDS)
        if error.errno in _OPEN:
            return LimitExceeded("open files", "Expected one more file to be opened, but too many are open", _SECONDS)
        if error.errno == errno.ENOMEM:
            return LimitExceeded("memory", "Expected room in the server's memory, but there is none", _SECONDS)
    return shortage(error.__cause__) if error.__cause__ is not None else None


def open_as_many_as_allowed() -> int:
    """Lets this process open as many files and connections as its machine allows.

    Systems start programs with 1,024, for the sake of old ones, and allow far more to those that ask. A few clients
    with idle connections would take all of them.

    Returns:
        The limit from now on.
    """
    few, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    except (OSError, ValueError):  # a limit that no system can give, such as none at all
        return few
    return most

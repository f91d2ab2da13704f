"""What the system refuses: files that may not be used or are broken, room on a disk, one more file or connection."""

import errno
from typing import Final

from services.runtime.errors import FailedPrecondition, LimitExceeded, ServiceError, Unavailable

FULL: Final = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})
"""Errors of a disk without room."""
_OPEN: Final = frozenset({errno.EMFILE, errno.ENFILE})
_FORBIDDEN: Final = frozenset({errno.EACCES, errno.EPERM, errno.EROFS})
_BROKEN: Final = frozenset({errno.EIO, errno.ESTALE})
_SECONDS: Final = 5.0


def refused_by_the_system(error: BaseException) -> ServiceError | None:
    """What a client is told where the system refuses a file, and the code that uses it says nothing better.

    Args:
        error: An error that ends a request.

    Returns:
        The error in its place, without paths; None where it is another one. A lack of room also counts where an error
        was raised from it, unless that one tells of a limit itself.
    """
    if isinstance(error, OSError):
        if error.errno in _FORBIDDEN:
            return FailedPrecondition("server", "it may not read or write one of its files, which its log names")
        if error.errno in _BROKEN:
            return Unavailable("The server cannot read or write one of its files now", retry_after=_SECONDS)
    return _shortage(error)


def _shortage(error: BaseException) -> LimitExceeded | None:
    if isinstance(error, LimitExceeded):
        return None
    if isinstance(error, OSError):
        if error.errno in FULL:
            return LimitExceeded("disk", "Expected room on a disk of this server, but there is none", _SECONDS)
        if error.errno in _OPEN:
            return LimitExceeded("open files", "Expected one more file to be opened, but too many are open", _SECONDS)
        if error.errno == errno.ENOMEM:
            return LimitExceeded("memory", "Expected room in the server's memory, but there is none", _SECONDS)
    return _shortage(error.__cause__) if error.__cause__ is not None else None

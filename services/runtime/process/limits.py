"""What the system allows the process of a server."""

import resource


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

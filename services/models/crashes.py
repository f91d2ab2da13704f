"""Errors of libraries that read a model's files."""


def crash_of(error: BaseException) -> str:
    """What a library says of a file that it cannot read.

    Libraries written in Rust raise `PanicException`, which is no `Exception`, for some damaged files. What is meant to
    end the process, such as an interrupt, is raised again.

    Args:
        error: The error that was caught.
    """
    if not isinstance(error, Exception) and type(error).__name__ != "PanicException":
        raise error
    return str(error) or type(error).__name__

"""The paths of fields in errors: the domain knows the fields of an EncodeSpec, which other requests hold elsewhere."""

from collections.abc import Iterator
from contextlib import contextmanager

from services.runtime.errors import InvalidArgument


@contextmanager
def at(own: str, path: str) -> Iterator[None]:
    """Names fields by their path in the request.

    Args:
        own: Beginning of the paths as the domain names them, `spec.model`.
        path: What stands there in the request, `spec.encode.model`.
    """
    try:
        yield
    except InvalidArgument as error:
        if error.field.startswith(own):
            raise InvalidArgument(path + error.field.removeprefix(own), error.problem) from error
        raise

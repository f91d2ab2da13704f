"""Carries an error out of gRPC's own thread, which would only log it."""

import threading
from collections.abc import Iterator
from typing import Any


class Failure:
    """Keeps what the messages of a request raised in gRPC's thread, to be raised in the caller's."""

    def __init__(self) -> None:
        self._error: BaseException | None = None
        self._call: Any = None
        self._known = threading.Event()

    def guard(self, requests: Iterator[Any]) -> Iterator[Any]:
        """The requests, up to a failure, which cancels the call: half a stream must not look like a whole one."""
        try:
            yield from requests
        except Exception as error:  # the caller's own thread raises it in `check`
            self._error = error
            self._known.wait()
            self._call.cancel()

    def of(self, call: Any) -> Any:
        """Tells whose requests they are, as soon as the call is made."""
        self._call = call
        self._known.set()
        return call

    def end(self) -> None:
        """Ends the call, if one was made."""
        if self._call is not None:
            self._call.cancel()

    def check(self) -> None:
        """Raises the failure, if there was one."""
        if self._error is not None:
            raise self._error

"""What the callers of both twins share: the attempts of a call, and calls that can be made again."""

from collections.abc import Sequence
from types import TracebackType
from typing import Any, Protocol, Self, TypeVar

from babelscope.transport.channel import ClientConfig
from babelscope.transport.retry import Contact, Retry
from babelscope.transport.services import Service
from babelscope.transport.status import from_rpc
from babelscope.transport.tracing import CallSpan

Part_co = TypeVar("Part_co", covariant=True)


class StreamedCall(Protocol[Part_co]):
    """A call whose answer is a stream, which can be made as often as it takes. Pure: both twins drive it."""

    @property
    def method(self) -> str:
        """Name of the method."""

    @property
    def repeatable(self) -> bool:
        """Whether it can be made again: its messages are not gone once sent."""

    def begin(self) -> Any:
        """The request of a new attempt: a message, or an iterator of messages."""

    def receive(self, response: Any) -> Sequence[Part_co]:
        """What a message of the answer gives to the caller: what it gives is not lost if the attempt breaks."""

    def finish(self) -> None:
        """The answer has ended.

        Raises:
            DataCorrupted: It is not whole.
        """


class Attempts:
    """The attempts of one call: its deadline, its request id, its span, and when it is tried again.

    It is a context, which the call ends with.

    Args:
        service: Service that is called.
        method: Name of the method.
        config: How to speak to the server.
        timeout: Seconds for all attempts together; None for no end.
        contact: Whether the server has ever answered.
    """

    def __init__(
        self, service: Service, method: str, config: ClientConfig, timeout: float | None, contact: Contact
    ) -> None:
        self._method = f"{service.short_name}.{method}"
        self._address = config.address
        self._retry = Retry(config.retry, timeout, contact)
        self._request_id = config.new_request_id()
        self._span = CallSpan(self._method, service.full_name, config.address, self._request_id)
        self._metadata = config.metadata(self._request_id, self._span.headers())
        self._fresh = True

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._span.end(error if isinstance(error, Exception) else None)

    def begin(self) -> dict[str, Any]:
        """Starts an attempt: the keyword arguments that its call takes besides the request."""
        self._fresh = True
        return {"timeout": self._retry.remaining(), "metadata": self._metadata}

    def answered(self, *, progress: bool = False) -> None:
        """A message has come.

        Args:
            progress: Whether the call is further than before, and would not lose that if the attempt broke now.
        """
        if self._fresh:
            self._fresh = False
            self._retry.accepted()
        if progress:
            self._retry.progressed()
        else:
            self._retry.alive()

    def delay(self, broken: Any, *, repeatable: bool = True) -> float:
        """Seconds to wait before the next attempt.

        Args:
            broken: How the attempt ended: an error of gRPC.
            repeatable: Whether the call can be made again at all.

        Raises:
            DeadlineExceeded: The deadline would pass first.
            RpcError: The error as one of this library, where another attempt is of no use or has been tried for long
                enough.
        """
        error = from_rpc(broken, method=self._method, address=self._address, request_id=self._request_id)
        if not repeatable:
            raise error
        seconds = self._retry.delay(error)
        self._span.retried(error, seconds)
        return seconds


class CallerBase:
    """Whom a client calls, and how; without the calls.

    Args:
        service: The service.
        config: Address of the server and how to speak to it; a plain address will do.
    """

    def __init__(self, service: Service, config: ClientConfig | str) -> None:
        self.service = service
        self.config = ClientConfig(config) if isinstance(config, str) else config
        self._contact = Contact()

    def attempts(self, method: str, timeout: float | None) -> Attempts:
        """The attempts of a new call, whose clock starts now."""
        return Attempts(self.service, method, self.config, timeout, self._contact)

    def stream_timeout(self, timeout: float | None) -> float | None:
        """The deadline of a stream: the one given, or the configured one."""
        return self.config.stream_timeout if timeout is None else timeout

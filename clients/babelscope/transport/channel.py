"""How a server is reached: addresses, TLS, tokens, and the channel's options. Shared by both twins."""

import ipaddress
import json
import uuid
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import grpc

from babelscope.transport import tracing
from babelscope.transport.retry import RetryPolicy
from babelscope.transport.services import PORTS

_SERVICE_CONFIG: Final = json.dumps({"loadBalancingConfig": [{"round_robin": {}}]})
_MESSAGE_BYTES: Final = 16 << 20
_SCHEMES: Final = ("dns:", "ipv4:", "ipv6:", "unix:", "unix-abstract:", "xds:")
_LOCAL_SCHEMES: Final = ("unix", "unix-abstract")


@dataclass(frozen=True, slots=True)
class TLS:
    """Keys for an encrypted connection, as PEM files.

    Args:
        root: Certificates of the authorities to trust; the system's where None.
        certificate: The client's own certificate chain, where the server asks for one.
        key: The private key of that certificate.
    """

    root: Path | str | None = None
    certificate: Path | str | None = None
    key: Path | str | None = None

    def credentials(self) -> grpc.ChannelCredentials:
        """The channel credentials.

        Raises:
            OSError: A file cannot be read.
        """
        return grpc.ssl_channel_credentials(*map(_read, (self.root, self.key, self.certificate)))


@dataclass(frozen=True, slots=True)
class ClientConfig:
    """What a client of one server needs to know.

    Args:
        address: `HOST:PORT`, or a gRPC target: `dns:///encoder:50051`.
        tls: Keys; None for a connection without encryption.
        token: Bearer token that the server asks for.
        insecure: Send the token without TLS, even to another machine.
        timeout: Seconds for a call with one answer, with all its retries.
        load_timeout: Seconds for a call that may load a model.
        stream_timeout: Seconds for a stream, with all its resumptions; None for no end.
        retry: Number and timing of retries.
        request_id: Source of a call's request id: a server that calls another one passes on the id of the request
            that it answers. A new one for each call where None, or where it gives an empty one.

    Raises:
        ValueError: A token would travel over a network without encryption.
    """

    address: str
    tls: TLS | None = None
    token: str | None = field(default=None, repr=False)
    insecure: bool = False
    timeout: float = 60.0
    load_timeout: float = 600.0
    stream_timeout: float | None = 24 * 3600.0
    retry: RetryPolicy = field(default_factory=RetryPolicy)
    request_id: Callable[[], str] | None = None

    def __post_init__(self) -> None:
        if self.token is not None and self.tls is None and not (self.insecure or is_loopback(self.address)):
            raise ValueError(f"Expected `tls` beside `token` for {self.address}, or an explicit `insecure`")

    def options(self) -> list[tuple[str, str | int]]:
        """The channel's options."""
        return [
            ("grpc.service_config", _SERVICE_CONFIG),
            ("grpc.max_receive_message_length", _MESSAGE_BYTES),
            ("grpc.max_send_message_length", _MESSAGE_BYTES),
            # Finds out within a minute that a peer has vanished without a word; servers allow a ping every 10 s.
            ("grpc.keepalive_time_ms", 30_000),
            ("grpc.keepalive_timeout_ms", 20_000),
            ("grpc.http2.max_pings_without_data", 0),
            # A server that comes back is found soon: the retries above this wait long enough.
            ("grpc.initial_reconnect_backoff_ms", 100),
            ("grpc.min_reconnect_backoff_ms", 1_000),
            ("grpc.max_reconnect_backoff_ms", 2_000),
            # A proxy of the environment knows nothing of this machine's own servers.
            ("grpc.enable_http_proxy", 0 if is_loopback(self.address) else 1),
        ]

    def new_request_id(self) -> str:
        """An id under which a call, with all its attempts, is found in the logs."""
        given = self.request_id() if self.request_id is not None else ""
        return given or uuid.uuid4().hex

    def metadata(
        self, request_id: str, trace: tuple[tuple[str, str], ...] | None = None
    ) -> tuple[tuple[str, str], ...]:
        """What travels with a request: its id, the token, and its place in a trace.

        Args:
            request_id: Id of the request.
            trace: Metadata of the trace; that of the current span where None.
        """
        token = () if self.token is None else (("authorization", f"Bearer {self.token}"),)
        return (("x-request-id", request_id), *token, *(tracing.headers() if trace is None else trace))


def open_channel(config: ClientConfig) -> grpc.Channel:
    """A channel for the synchronous twin."""
    if config.tls is None:
        return grpc.insecure_channel(config.address, options=config.options())
    return grpc.secure_channel(config.address, config.tls.credentials(), options=config.options())


def open_aio_channel(config: ClientConfig) -> grpc.aio.Channel:
    """A channel for the asynchronous twin; call it where a loop runs."""
    if config.tls is None:
        return grpc.aio.insecure_channel(config.address, options=config.options())
    return grpc.aio.secure_channel(config.address, config.tls.credentials(), options=config.options())


def mesh_addresses(address: str) -> dict[str, str]:
    """The address of each service of a mesh.

    Args:
        address: `HOST`, whose services listen on the default ports; `dns:///HOST`, the same over all its replicas; or
            `encoder=HOST:PORT,metrics=HOST:PORT`.

    Returns:
        Addresses by service; services that are not named are left out.

    Raises:
        ValueError: It is none of these.
    """
    address = address.strip()
    if "=" in address:
        found = dict(_named(part) for part in address.split(","))
        unknown = [name for name in found if name not in PORTS]
        if unknown:
            raise ValueError(f"Expected services of {', '.join(PORTS)}, but got {unknown[0]!r} in {address!r}")
        return found
    scheme = next((scheme for scheme in _SCHEMES if address.startswith(scheme)), "")
    host = address.rpartition("/")[2] if scheme else address
    prefix = address[: len(address) - len(host)]
    bracketed = f"[{host}]" if _is_ipv6(host) else host
    if not host or (":" in bracketed and not bracketed.endswith("]")):
        raise ValueError(
            f"Expected a mesh's address as HOST or encoder=HOST:PORT,metrics=HOST:PORT, but got {address!r}"
        )
    return {name: f"{prefix}{bracketed}:{port}" for name, port in PORTS.items()}


def is_loopback(address: str) -> bool:
    """Whether only this machine can answer at an address.

    Args:
        address: `HOST`, `HOST:PORT`, or a gRPC target with one of its schemes; `ipv4:` and `ipv6:` may list several.

    Returns:
        False for every name other than `localhost`: what it resolves to may change.
    """
    scheme, colon, rest = address.partition(":")
    scheme = scheme.lower()
    if colon and scheme in _LOCAL_SCHEMES:
        return bool(rest)
    if colon and scheme in ("ipv4", "ipv6"):
        return all(_is_own(part) for part in rest.removeprefix("///").removeprefix("//").split(","))
    if colon and scheme == "dns":
        # dns:HOST, dns:///HOST and dns://AUTHORITY/HOST.
        return _is_own(rest.removeprefix("//").partition("/")[2] if rest.startswith("//") else rest)
    return "/" not in address and _is_own(address)


def _is_own(endpoint: str) -> bool:
    """Whether `HOST` or `HOST:PORT` is this machine's own."""
    host = endpoint.strip()
    if host.startswith("["):
        host = host[1:].partition("]")[0]
    elif host.count(":") == 1:
        host = host.partition(":")[0]
    try:
        return ipaddress.ip_address(host.partition("%")[0]).is_loopback
    except ValueError:
        return host.lower().removesuffix(".") == "localhost"


def _named(part: str) -> tuple[str, str]:
    """One `NAME=ADDRESS`."""
    name, _, address = part.partition("=")
    if not address.strip():
        raise ValueError(f"Expected NAME=HOST:PORT, but got {part.strip()!r}")
    return name.strip(), address.strip()


def _is_ipv6(host: str) -> bool:
    """Whether a host is a bare IPv6 address."""
    try:
        return ipaddress.ip_address(host).version == 6
    except ValueError:
        return False


def _read(path: Path | str | None) -> bytes | None:
    """The contents of a PEM file."""
    return None if path is None else Path(path).read_bytes()

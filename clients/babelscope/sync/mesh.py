"""A mesh: the clients of all its services under one roof."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import grpc

from babelscope.errors import RpcError
from babelscope.sync.datagen import DatagenClient
from babelscope.sync.encoder import EncoderClient
from babelscope.sync.metrics import MetricsClient
from babelscope.transport import health
from babelscope.transport.channel import TLS, ClientConfig, mesh_addresses, open_channel
from babelscope.transport.retry import RetryPolicy
from babelscope.transport.status import from_rpc


@dataclass(frozen=True, slots=True)
class ServiceStatus:
    """How a service is.

    Args:
        name: `encoder`, `metrics`, `datagen`.
        address: Where it is.
        state: `serving`, `not serving`, `unreachable`, or what else it says.
        detail: More in words, where it cannot be reached.
    """

    name: str
    address: str
    state: str
    detail: str = ""

    @property
    def serving(self) -> bool:
        """Whether it answers requests."""
        return self.state == "serving"


class Mesh:
    """The clients of a mesh's services; a context manager that closes them.

    Args:
        configs: How to reach each service, by name.
    """

    def __init__(self, configs: Mapping[str, ClientConfig]) -> None:
        self._configs = dict(configs)
        self._channels = {name: open_channel(config) for name, config in self._configs.items()}
        self._encoder = self._client("encoder", EncoderClient)
        self._metrics = self._client("metrics", MetricsClient)
        self._datagen = self._client("datagen", DatagenClient)

    @property
    def encoder(self) -> EncoderClient:
        """The client of the encoder.

        Raises:
            LookupError: The mesh's address names no encoder.
        """
        client: EncoderClient = _known("encoder", self._encoder)
        return client

    @property
    def metrics(self) -> MetricsClient:
        """The client of the metrics server.

        Raises:
            LookupError: The mesh's address names no metrics server.
        """
        client: MetricsClient = _known("metrics", self._metrics)
        return client

    @property
    def datagen(self) -> DatagenClient:
        """The client of the datagen server.

        Raises:
            LookupError: The mesh's address names no datagen server.
        """
        client: DatagenClient = _known("datagen", self._datagen)
        return client

    @property
    def addresses(self) -> dict[str, str]:
        """Where each service is."""
        return {name: config.address for name, config in self._configs.items()}

    @property
    def address(self) -> str:
        """The mesh's address in one line, as `connect` takes it."""
        return ",".join(f"{name}={address}" for name, address in self.addresses.items())

    def status(self, *, timeout: float = 5.0) -> tuple[ServiceStatus, ...]:
        """How each service is, asked once; a service that does not answer is `unreachable`.

        Args:
            timeout: Seconds for each.
        """
        return tuple(self._status(name, config, timeout) for name, config in self._configs.items())

    def close(self) -> None:
        """Closes the channels."""
        for channel in self._channels.values():
            channel.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.address!r})"

    def _client(self, name: str, kind: Any) -> Any:
        """The client of a service; None where the mesh has none."""
        return kind(self._configs[name], channel=self._channels[name]) if name in self._configs else None

    def _status(self, name: str, config: ClientConfig, timeout: float) -> ServiceStatus:
        """Asks one service."""
        call = health.check(self._channels[name])
        request_id = config.new_request_id()
        try:
            state = call(health.NAMES[name], timeout=timeout, metadata=config.metadata(request_id))
        except grpc.RpcError as error:
            return unreachable(name, config.address, _translate(error, config, request_id))
        return ServiceStatus(name, config.address, state)


def connect(
    address: str,
    *,
    tls: TLS | Path | str | None = None,
    token: str | None = None,
    insecure: bool = False,
    timeout: float | None = None,
    retry: RetryPolicy | None = None,
) -> Mesh:
    """A running mesh. Nothing is called yet.

    Args:
        address: `HOST` with the default ports, `dns:///HOST`, or `encoder=HOST:PORT,metrics=HOST:PORT`.
        tls: Keys, or the PEM file of the authority to trust; None for a connection without encryption.
        token: Bearer token that the servers ask for.
        insecure: Send the token without TLS, even to another machine.
        timeout: Seconds for a call with one answer.
        retry: How long and how often to try again.

    Raises:
        ValueError: The address is none of these, or a token would travel over a network without encryption.
    """
    return Mesh(mesh_configs(address, tls=tls, token=token, insecure=insecure, timeout=timeout, retry=retry))


def mesh_configs(
    address: str,
    *,
    tls: TLS | Path | str | None,
    token: str | None,
    insecure: bool,
    timeout: float | None,
    retry: RetryPolicy | None,
) -> dict[str, ClientConfig]:
    """How to reach each service of a mesh. Arguments are those of `connect`."""
    keys = TLS(root=tls) if isinstance(tls, Path | str) else tls
    given = {"timeout": timeout, "retry": retry}
    chosen: dict[str, Any] = {name: value for name, value in given.items() if value is not None}
    return {
        name: ClientConfig(where, tls=keys, token=token, insecure=insecure, **chosen)
        for name, where in mesh_addresses(address).items()
    }


def unreachable(name: str, address: str, error: RpcError) -> ServiceStatus:
    """The status of a service that did not answer."""
    return ServiceStatus(name, address, "unreachable", str(error))


def _translate(error: Any, config: ClientConfig, request_id: str) -> RpcError:
    """The error of a health check as one of this library."""
    return from_rpc(error, method="Health.Check", address=config.address, request_id=request_id)


def _known(name: str, client: Any) -> Any:
    """A client that the mesh has."""
    if client is None:
        raise LookupError(f"Expected a mesh with {name}, but its address names none: add {name}=HOST:PORT")
    return client

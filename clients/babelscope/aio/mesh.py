"""A mesh for asynchronous callers."""

import asyncio
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self

import grpc

from babelscope.aio.datagen import AsyncDatagenClient
from babelscope.aio.encoder import AsyncEncoderClient
from babelscope.aio.metrics import AsyncMetricsClient
from babelscope.sync.mesh import ServiceStatus, mesh_configs, unreachable
from babelscope.transport import health
from babelscope.transport.channel import TLS, ClientConfig, open_aio_channel
from babelscope.transport.retry import RetryPolicy
from babelscope.transport.status import from_rpc

_CLIENTS: Final[Any] = (
    ("encoder", AsyncEncoderClient),
    ("metrics", AsyncMetricsClient),
    ("datagen", AsyncDatagenClient),
)


class AsyncMesh:
    """The clients of a mesh's services; an async context manager that closes them. Make it where a loop runs.

    Args:
        configs: How to reach each service, by name.
    """

    def __init__(self, configs: Mapping[str, ClientConfig]) -> None:
        self._configs = dict(configs)
        self._channels = {name: open_aio_channel(config) for name, config in self._configs.items()}
        self._clients: dict[str, Any] = {}
        for name, kind in _CLIENTS:
            if name in self._configs:
                self._clients[name] = kind(self._configs[name], channel=self._channels[name])

    @property
    def encoder(self) -> AsyncEncoderClient:
        """The client of the encoder.

        Raises:
            LookupError: The mesh's address names no encoder.
        """
        client: AsyncEncoderClient = self._known("encoder")
        return client

    @property
    def metrics(self) -> AsyncMetricsClient:
        """The client of the metrics server.

        Raises:
            LookupError: The mesh's address names no metrics server.
        """
        client: AsyncMetricsClient = self._known("metrics")
        return client

    @property
    def datagen(self) -> AsyncDatagenClient:
        """The client of the datagen server.

        Raises:
            LookupError: The mesh's address names no datagen server.
        """
        client: AsyncDatagenClient = self._known("datagen")
        return client

    @property
    def addresses(self) -> dict[str, str]:
        """Where each service is."""
        return {name: config.address for name, config in self._configs.items()}

    async def status(self, *, timeout: float = 5.0) -> tuple[ServiceStatus, ...]:
        """How each service is, asked once; a service that does not answer is `unreachable`.

        Args:
            timeout: Seconds for each.
        """
        asked = [self._status(name, config, timeout) for name, config in self._configs.items()]
        return tuple(await asyncio.gather(*asked))

    async def close(self) -> None:
        """Closes the channels."""
        for channel in self._channels.values():
            await channel.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    async def _status(self, name: str, config: ClientConfig, timeout: float) -> ServiceStatus:
        """Asks one service."""
        call = health.check(self._channels[name])
        request_id = config.new_request_id()
        try:
            state = await call(health.NAMES[name], timeout=timeout, metadata=config.metadata(request_id))
        except grpc.RpcError as error:
            status: Any = error
            translated = from_rpc(status, method="Health.Check", address=config.address, request_id=request_id)
            return unreachable(name, config.address, translated)
        return ServiceStatus(name, config.address, state)

    def _known(self, name: str) -> Any:
        """A client that the mesh has."""
        if name not in self._clients:
            raise LookupError(f"Expected a mesh with {name}, but its address names none: add {name}=HOST:PORT")
        return self._clients[name]


def connect(
    address: str,
    *,
    tls: TLS | Path | str | None = None,
    token: str | None = None,
    insecure: bool = False,
    timeout: float | None = None,
    retry: RetryPolicy | None = None,
) -> AsyncMesh:
    """A running mesh. Nothing is called yet; call it where a loop runs. Arguments are those of `babelscope.connect`.

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
    return AsyncMesh(mesh_configs(address, tls=tls, token=token, insecure=insecure, timeout=timeout, retry=retry))

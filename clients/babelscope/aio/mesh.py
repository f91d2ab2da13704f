"""A mesh for asynchronous callers."""

from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self

import grpc

from babelscope.aio.caller import together
from babelscope.aio.datagen import AsyncDatagenClient
from babelscope.aio.encoder import AsyncEncoderClient
from babelscope.aio.metrics import AsyncMetricsClient
from babelscope.aio.trainer import AsyncTrainerClient
from babelscope.transport import health
from babelscope.transport.channel import TLS, ClientConfig, open_aio_channel
from babelscope.transport.mesh import ServiceStatus, known, mesh_configs, unreachable
from babelscope.transport.retry import RetryPolicy
from babelscope.transport.services import DATAGEN, ENCODER, METRICS, SERVICES, TRAINER

_CLIENTS: Final[Any] = {
    ENCODER.name: AsyncEncoderClient,
    METRICS.name: AsyncMetricsClient,
    DATAGEN.name: AsyncDatagenClient,
    TRAINER.name: AsyncTrainerClient,
}


class AsyncMesh:
    """The clients of a mesh's services; an async context manager that closes them. Make it where a loop runs.

    Args:
        configs: How to reach each service, by name.
    """

    def __init__(self, configs: Mapping[str, ClientConfig]) -> None:
        self._configs = dict(configs)
        self._channels = {name: open_aio_channel(config) for name, config in self._configs.items()}
        self._clients = {
            name: kind(self._configs[name], channel=self._channels[name])
            for name, kind in _CLIENTS.items()
            if name in self._configs
        }

    @property
    def encoder(self) -> AsyncEncoderClient:
        """The client of the encoder.

        Raises:
            NoSuchService: The mesh's address names no encoder.
        """
        client: AsyncEncoderClient = known(ENCODER.name, self._clients)
        return client

    @property
    def metrics(self) -> AsyncMetricsClient:
        """The client of the metrics server.

        Raises:
            NoSuchService: The mesh's address names no metrics server.
        """
        client: AsyncMetricsClient = known(METRICS.name, self._clients)
        return client

    @property
    def datagen(self) -> AsyncDatagenClient:
        """The client of the datagen server.

        Raises:
            NoSuchService: The mesh's address names no datagen server.
        """
        client: AsyncDatagenClient = known(DATAGEN.name, self._clients)
        return client

    @property
    def trainer(self) -> AsyncTrainerClient:
        """The client of the trainer.

        Raises:
            NoSuchService: The mesh's address names no trainer.
        """
        client: AsyncTrainerClient = known(TRAINER.name, self._clients)
        return client

    @property
    def addresses(self) -> dict[str, str]:
        """Where each service is."""
        return {name: config.address for name, config in self._configs.items()}

    @property
    def address(self) -> str:
        """The mesh's address in one line, as `connect` takes it."""
        return ",".join(f"{name}={address}" for name, address in self.addresses.items())

    async def status(self, *, timeout: float = 5.0) -> tuple[ServiceStatus, ...]:
        """How each service is, all asked at once; a service that does not answer is `unreachable`.

        Args:
            timeout: Seconds for each.
        """

        async def ask(name: str) -> ServiceStatus:
            config = self._configs[name]
            request_id = config.new_request_id()
            check = health.check(self._channels[name])
            try:
                state = await check(SERVICES[name].full_name, timeout=timeout, metadata=config.metadata(request_id))
            except grpc.RpcError as error:
                return unreachable(name, config, error, request_id)
            return ServiceStatus(name, config.address, state)

        return await together(ask, self._configs)

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

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.address!r})"


def connect(
    address: str,
    *,
    tls: TLS | Path | str | None = None,
    token: str | None = None,
    insecure: bool = False,
    timeout: float | None = None,
    retry: RetryPolicy | None = None,
) -> AsyncMesh:
    """A running mesh. Nothing is called yet; call it where a loop runs.

    Args:
        address: `HOST` with the default ports, `dns:///HOST`, or `encoder=HOST:PORT,metrics=HOST:PORT`.
        tls: Keys, or the PEM file of the authority to trust; None for a connection without encryption.
        token: Bearer token that the servers ask for.
        insecure: Send the token without TLS, even to another machine.
        timeout: Seconds for a call with one answer.
        retry: Number and timing of retries.

    Raises:
        ValueError: The address is none of these, or a token would travel over a network without encryption.
    """
    return AsyncMesh(mesh_configs(address, tls=tls, token=token, insecure=insecure, timeout=timeout, retry=retry))

"""What the meshes of both twins share: how each service is reached, and what is said of its health."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import grpc

from babelscope.errors import NoSuchService
from babelscope.transport.channel import TLS, ClientConfig, mesh_addresses
from babelscope.transport.retry import RetryPolicy
from babelscope.transport.status import from_rpc


@dataclass(frozen=True, slots=True)
class ServiceStatus:
    """How a service is.

    Args:
        name: `encoder`, `metrics`, `datagen`.
        address: Address of the service.
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


def unreachable(name: str, config: ClientConfig, error: grpc.RpcError, request_id: str) -> ServiceStatus:
    """The status of a service that did not answer a health check."""
    broken: Any = error
    translated = from_rpc(broken, method="Health.Check", address=config.address, request_id=request_id)
    return ServiceStatus(name, config.address, "unreachable", str(translated))


def known(name: str, clients: Mapping[str, Any]) -> Any:
    """The client of a service that the mesh has.

    Raises:
        NoSuchService: The mesh's address names no such service.
    """
    if name not in clients:
        raise NoSuchService(f"Expected a mesh with {name}, but its address names none: add {name}=HOST:PORT")
    return clients[name]

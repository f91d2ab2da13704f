"""The services of a mesh: what everything that lists, starts or asks them knows of each. A new service is one row."""

from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True)
class Service:
    """A service of a mesh.

    Args:
        name: Name in addresses and commands.
        port: Port that it listens on unless told otherwise.
        module: Module that runs its server.
        full_name: gRPC name, under which it also reports its health.
        usual: Whether a local mesh starts it unless told otherwise.
    """

    name: str
    port: int
    module: str
    full_name: str
    usual: bool = False

    @property
    def short_name(self) -> str:
        """The gRPC name without its package, as error messages have it: `EncoderService`."""
        return self.full_name.rpartition(".")[2]


ENCODER: Final = Service("encoder", 50051, "services.encoder", "babelscope.v1.EncoderService", usual=True)
METRICS: Final = Service("metrics", 50052, "services.metrics", "babelscope.v1.MetricsService", usual=True)
DATAGEN: Final = Service("datagen", 50053, "services.datagen", "babelscope.v1.DatagenService")

TRAINER: Final = Service("trainer", 50054, "services.trainer", "babelscope.v1.TrainerService")

SERVICES: Final = {service.name: service for service in (ENCODER, METRICS, DATAGEN, TRAINER)}
"""All services by name, each after those that it calls."""

USUAL: Final = tuple(service.name for service in SERVICES.values() if service.usual)
"""Names of the services that a local mesh starts unless told otherwise: studies need no others."""

PORTS: Final = {service.name: service.port for service in SERVICES.values()}
"""Their ports by name."""

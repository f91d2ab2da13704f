"""What leads to Ray Serve is told of the replicas."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Self


@dataclass(frozen=True)
class ServePlan:
    """Where and how replicas run.

    Attributes:
        name: Name of the application on the cluster.
        address: Address of the cluster; empty for the Ray of this machine.
        folder: Temporary folder of the Ray of this machine.
        replicas: Number of replicas.
        cpus: Cores of a replica; 0 on this machine, where they are those of jobs.
        gpus: GPUs of a replica, or the share of one.
        env: Settings of the trainer that replicas follow.
    """

    name: str
    address: str = ""
    folder: str = ""
    replicas: int = 1
    cpus: float = 0.0
    gpus: float = 0.0
    env: Mapping[str, str] = field(default_factory=dict)

    def text(self) -> str:
        """The plan as an argument of a command."""
        return json.dumps(asdict(self) | {"env": dict(self.env)})

    @classmethod
    def read(cls, text: str) -> Self:
        """The plan of an argument."""
        return cls(**json.loads(text))

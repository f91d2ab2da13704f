"""What the driver of a job on Ray is told, besides the assignment."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Self


@dataclass(frozen=True)
class Plan:
    """Where and with what a job runs.

    Attributes:
        address: Address of the cluster; empty for the Ray of this machine.
        folder: Temporary folder of the Ray of this machine, which says its address once it is ready.
        cpus: Cores of each worker of the job.
        gpus: GPUs of each worker, or the share of one.
        env: Environment of the job's process, beside that of the machine that it runs on.
        stop_seconds: Time that the job's process has between SIGTERM and SIGKILL.
    """

    address: str = ""
    folder: str = ""
    cpus: int = 1
    gpus: float = 0.0
    env: Mapping[str, str] = field(default_factory=dict)
    stop_seconds: float = 5.0

    def text(self) -> str:
        """The plan as an argument of a command."""
        return json.dumps(asdict(self) | {"env": dict(self.env)})

    @classmethod
    def read(cls, text: str) -> Self:
        """The plan of an argument."""
        return cls(**json.loads(text))

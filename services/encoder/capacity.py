"""How many models a server may hold, and how many bytes of their weights; also where nobody says."""

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from services.runtime.errors import LimitExceeded

CPU_SHARE: Final = 0.6
"""Of the machine's or the container's memory: the rest is for activations, queues and a model that is being read."""
GPU_SHARE: Final = 0.8
_LIMITS: Final = (Path("/sys/fs/cgroup/memory.max"), Path("/sys/fs/cgroup/memory/memory.limit_in_bytes"))


@dataclass
class Capacity:
    """What models may take up together.

    Attributes:
        max_models: Largest number of models.
        max_bytes: Largest number of bytes of their weights; None for no limit.
    """

    max_models: int
    max_bytes: int | None = None

    def check(self, name: str, wanted: int) -> None:
        """Refuses a model that is too large by itself.

        Args:
            name: Name of the model.
            wanted: Bytes of its weights.

        Raises:
            LimitExceeded: It is.
        """
        if self.max_bytes is not None and wanted > self.max_bytes:
            raise LimitExceeded(
                "model_bytes",
                f"Expected models of at most {self.max_bytes} bytes of weights together, but model {name} alone has "
                f"{wanted}",
            )

    def lacking(self, count: int, taken: int, wanted: int) -> tuple[str, str] | None:
        """The setting that leaves one more model no room, with its limit in words; None where there is room.

        Args:
            count: Number of models that there are.
            taken: Bytes of their weights.
            wanted: Bytes of the weights of one more.
        """
        if count >= self.max_models:
            return "max_models", f"{self.max_models} models"
        if self.max_bytes is not None and taken + wanted > self.max_bytes:
            return "model_bytes", f"{self.max_bytes} bytes of models' weights"
        return None


def default_model_bytes(device: str) -> int:
    """Bytes of weights that fit a device.

    Args:
        device: `cpu` or `cuda:0`.
    """
    if device == "cpu":
        return int(memory_bytes() * CPU_SHARE)
    from torch import cuda

    return int(cuda.get_device_properties(device).total_memory * GPU_SHARE)


def memory_bytes(limits: tuple[Path, ...] = _LIMITS) -> int:
    """Bytes of memory that this process may use: the machine's, or its container's where that is less.

    Args:
        limits: Files with the memory limit of the container, as the kernel shows it.
    """
    found = [os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")]
    for path in limits:
        try:
            text = path.read_text(encoding="ascii").strip()
        except OSError:
            continue
        if text.isdigit():
            found.append(int(text))
    return min(found)

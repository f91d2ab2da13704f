"""Where methods that train compute: the option `device`, checked."""

import torch

from services.runtime.errors import InvalidArgument
from services.runtime.options import option

DEVICE = option("Where training computes: cpu, cuda, cuda:1.", default="cpu")
"""A field for options."""


def device_of(name: str) -> torch.device:
    """A device that is there.

    Args:
        name: Name of the device, as PyTorch spells it.

    Raises:
        InvalidArgument: There is none of the name.
    """
    offered = ["cpu", *(f"cuda:{index}" for index in range(torch.cuda.device_count()))]
    if name not in offered and not (name == "cuda" and len(offered) > 1):
        raise InvalidArgument(
            "spec.options[device]", f"Expected a device of {', '.join(offered)} on this server, but got {name[:80]!r}"
        )
    return torch.device(name)

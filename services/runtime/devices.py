"""GPUs that fail: for good, which ends the server, or for want of memory, which ends one request."""

import re
import subprocess
import sys
from typing import Final

from services.runtime.errors import Unavailable

_NO_MEMORY: Final = (
    "out of memory",
    "can't allocate memory",
    "Failed to allocate memory",
    "CUBLAS_STATUS_ALLOC_FAILED",
    "CUDNN_STATUS_ALLOC_FAILED",
)
_FAILED: Final = re.compile(r"\b(?:cuda|cublas|cudnn)(?: driver)? (?:error:|failure \d+:|failed with )", re.IGNORECASE)
"""How PyTorch, ONNX Runtime and CTranslate2 begin to tell of an error of CUDA or of one of its libraries."""
_REFUSED: Final = ("_STATUS_NOT_SUPPORTED", "_STATUS_INVALID_VALUE", "_STATUS_BAD_PARAM")
"""What a library of CUDA says to a call that it does not offer: the device computes on."""
_ONNX: Final = "onnxruntime."
"""Package whose errors share no base with those of Python."""
_PROBE: Final = (
    "import sys, torch; device = torch.device(sys.argv[1]); assert torch.ones(2, device=device).sum().item() == 2"
)
_PROBE_SECONDS: Final = 120.0


class DeviceLost(Unavailable):
    """A device that computes no more until the process ends: another server may answer.

    Args:
        problem: What is wrong with it.
    """

    def __init__(self, problem: str = "The device of this server has failed, and the server ends") -> None:
        super().__init__(problem, retry_after=5.0)


def is_device_lost(error: BaseException) -> bool:
    """Whether an error, or the one that it was raised from, means that the process's GPU context is lost.

    After such an error of CUDA ("sticky" in its documentation) every later call fails as well, whichever of PyTorch,
    ONNX Runtime and CTranslate2 makes it. A lack of memory is none, nor is a call that a library does not offer.
    """
    if isinstance(error, DeviceLost):
        return True
    if is_out_of_memory(error):
        return False
    text = str(error)
    if not any(name in text for name in _REFUSED) and (
        "AcceleratorError" in _names(error) or (_is_native(error) and _FAILED.search(text))
    ):
        return True
    return error.__cause__ is not None and is_device_lost(error.__cause__)


def is_out_of_memory(error: BaseException) -> bool:
    """Whether an error of a library that computes means that the machine or its device has too little memory left."""
    return not _names(error).isdisjoint({"MemoryError", "OutOfMemoryError"}) or (
        _is_native(error) and any(text in str(error) for text in _NO_MEMORY)
    )


def computes(device: str) -> bool:
    """Whether a new process can compute on a device. It blocks while the process starts and ends.

    Args:
        device: `cpu`, `cuda:0`.
    """
    if device == "cpu":
        return True
    command = [sys.executable, "-c", _PROBE, device]
    try:
        done = subprocess.run(command, check=False, capture_output=True, timeout=_PROBE_SECONDS)
    except subprocess.TimeoutExpired:
        return False
    return done.returncode == 0


def _names(error: BaseException) -> set[str]:
    return {kind.__name__ for kind in type(error).__mro__}


def _is_native(error: BaseException) -> bool:
    """Whether an error is of the kinds in which libraries that compute tell of their own."""
    return isinstance(error, RuntimeError) or type(error).__module__.startswith(_ONNX)

"""GPUs that fail: for good, which ends the server, or for want of memory, which ends one request."""

from typing import Final

from services.runtime.errors import Unavailable

_NO_MEMORY: Final = ("out of memory", "can't allocate memory")


class DeviceLost(Unavailable):
    """A device that computes no more until the process ends: another server may answer."""

    def __init__(self) -> None:
        super().__init__("The device of this server has failed, and the server ends", retry_after=5.0)


def is_device_lost(error: BaseException) -> bool:
    """Whether an error, or the one that it was raised from, means that the process's GPU context is lost.

    After such an error of PyTorch ("sticky" in CUDA's documentation) every later call fails as well. A lack of memory
    is none.
    """
    if isinstance(error, DeviceLost):
        return True
    if is_out_of_memory(error):
        return False
    names = {kind.__name__ for kind in type(error).__mro__}
    if "AcceleratorError" in names or (isinstance(error, RuntimeError) and "CUDA error" in str(error)):
        return True
    return error.__cause__ is not None and is_device_lost(error.__cause__)


def is_out_of_memory(error: BaseException) -> bool:
    """Whether an error of Python, NumPy or PyTorch means that the machine or its device has too little memory left."""
    names = {kind.__name__ for kind in type(error).__mro__}
    return not names.isdisjoint({"MemoryError", "OutOfMemoryError"}) or (
        isinstance(error, RuntimeError) and any(text in str(error) for text in _NO_MEMORY)
    )

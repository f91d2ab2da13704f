"""ONNX Runtime, where it is installed.

The packages `onnxruntime` (extra `onnx`) and `onnxruntime-gpu` (extra `gpu`) both install the module `onnxruntime` and
cannot stand side by side. Either will do: what it offers is asked of the module.
"""

import os
from functools import cache
from importlib.util import find_spec
from typing import Any, Final

from services.runtime.errors import FailedPrecondition

CUDA: Final = "CUDAExecutionProvider"
CPU: Final = "CPUExecutionProvider"
_MODULES: Final = ("onnxruntime", "onnx", "onnxscript")


@cache
def lacking() -> str:
    """Why nothing can be served by ONNX Runtime here; empty where it can.

    Packages are looked for once: every answer says what a model can be computed by, and a search asks the file system
    for dozens of files.
    """
    missing = [name for name in _MODULES if find_spec(name) is None]
    if not missing:
        return ""
    return (
        "ONNX Runtime is not installed: install the extra `onnx`, or `gpu` for CUDA (one of them alone: their packages "
        f"overwrite one another); this server lacks {', '.join(missing)}"
    )


def runtime() -> Any:
    """The module `onnxruntime`, which reports nothing to its makers.

    Raises:
        FailedPrecondition: It is not installed.
    """
    if reason := lacking():
        raise FailedPrecondition("backend ONNX", reason)
    silence()
    import onnxruntime

    return onnxruntime


def silence() -> None:
    """Keeps ONNX Runtime from sending what it is used for to its makers, as version 1.32 does on Linux, too.

    It must come before the package is imported: the package's own function to switch it off does not keep it from
    connecting. `ORT_DISABLE_TELEMETRY=0` lets it.
    """
    os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")


def choose_device(device: str, *, quantised: bool) -> str:
    """Where graphs run on a server: on its GPU where ONNX Runtime has a provider for it, otherwise on the processor.

    Args:
        device: Device of the server, `cpu` or `cuda:0`.
        quantised: Whether the graph multiplies in int8, for which the CUDA provider has no kernels.
    """
    if device == "cpu" or quantised or CUDA not in runtime().get_available_providers():
        return "cpu"
    return device

"""Servers of a local mesh that were killed."""

import time

from babelscope.local.mesh import LocalMesh


def await_restarts(mesh: LocalMesh, name: str, times: int) -> None:
    """Waits until a server was started again so often: the work may be done before a server that it no longer needs."""
    end = time.monotonic() + 200
    while mesh.restarts[name] < times and time.monotonic() < end:
        time.sleep(0.05)
    assert mesh.restarts[name] == times

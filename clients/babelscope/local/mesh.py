"""A mesh on this machine: the servers run as processes on loopback, and end with it."""

import atexit
import contextlib
import json
import os
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Final, TypedDict, Unpack

from babelscope.calls.options import check_options
from babelscope.data.atomic import partial_folder, sweep
from babelscope.errors import MeshError
from babelscope.local.demo import DEMO_MODEL, demo_model
from babelscope.local.supervision import RestartPolicy, ServerProcess
from babelscope.sync.mesh import Mesh
from babelscope.transport.channel import ClientConfig
from babelscope.transport.retry import RetryPolicy
from babelscope.transport.services import SERVICES, USUAL

_SCRATCH: Final = {"metrics": "scratch", "datagen": "scratch-datagen"}
_CALLED: Final = {"metrics": ("encoder",), "trainer": ("encoder", "metrics", "datagen")}
"""Services that a service calls, by name."""
_DRAIN_SECONDS: Final = 5
_STOP_SECONDS: Final = 10.0
# Settings that go from the caller's environment to the servers. All others would say where to listen and whom to trust.
_PASSED: Final = (
    "MODEL_ROOTS",
    "MODEL_ALIASES",
    "HUB",
    "HUB_CACHE",
    "DEVICE",
    "DICTIONARY_ROOTS",
    "LOG_LEVEL",
    "LOG_FORMAT",
    "OTLP_ENDPOINT",
    "SLOTS",
    "THREADS",
)
_COMPUTING: Final = ("encoder", "trainer")
"""Services whose models take the caller's number of threads."""
_THREAD_SETTINGS: Final = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS")


class LocalMesh(Mesh):
    """A mesh whose servers run on this machine. Made by `local`; leave it, or close it, to stop them.

    Args:
        servers: The running servers, by name.
        folder: Their working folder.
        keep: What is to be closed after them.
        retry: Number and timing of retries.
    """

    def __init__(
        self,
        servers: Mapping[str, ServerProcess],
        folder: Path,
        keep: contextlib.ExitStack,
        retry: RetryPolicy | None = None,
    ) -> None:
        retry = retry or RetryPolicy()
        super().__init__({name: ClientConfig(server.address, retry=retry) for name, server in servers.items()})
        self._servers = dict(servers)
        self._keep = keep
        self.folder = folder
        atexit.register(self.close)

    @property
    def pids(self) -> dict[str, int | None]:
        """Process id of each server; None where one is down at the moment."""
        return {name: server.pid for name, server in self._servers.items()}

    @property
    def restarts(self) -> dict[str, int]:
        """How often each server died and was started again."""
        return {name: server.restarts for name, server in self._servers.items()}

    @property
    def logs(self) -> dict[str, Path]:
        """The log file of each server."""
        return {name: server.log for name, server in self._servers.items()}

    def check(self) -> None:
        """Asks whether all servers are up, or on their way up again.

        Raises:
            MeshError: One has died too often and was given up; the message ends with its log.
        """
        for server in self._servers.values():
            server.check()

    def close(self) -> None:
        """Closes the channels and stops the servers."""
        atexit.unregister(self.close)
        super().close()
        self._keep.close()


class SupervisionOptions(TypedDict, total=False):
    """How the servers of a local mesh are run."""

    ports: Mapping[str, int] | None
    """Ports by service; free ones where not given."""
    restart: RestartPolicy | None
    """How often a server that dies is started again."""
    on_end: Callable[[], None] | None
    """Called, in a thread of its own, when a server has ended for good."""


def local(
    services: Sequence[str] = USUAL,
    *,
    store: Path | str | None = None,
    model_roots: Sequence[Path | str] = (),
    model_aliases: Mapping[str, Path | str] | None = None,
    env: Mapping[str, str] | None = None,
    threads: int | None = None,
    start_timeout: float = 180.0,
    retry: RetryPolicy | None = None,
    **supervision: Unpack[SupervisionOptions],
) -> LocalMesh:
    """Starts servers on this machine and waits until they are ready.

    They listen on free ports of loopback. One that dies is started again on its port, a bounded number of times, so
    that calls under way go on. They end with the mesh, with the interpreter, and with this process however it ends.

    Args:
        services: `encoder`, `metrics`, `datagen`, `trainer`.
        store: The store's folder or URL, which also receives the logs if it is a folder; a temporary folder where None.
        model_roots: Folders whose sub-folders are models.
        model_aliases: Folders of models by name; the demo model is among them where its package is installed.
        env: Further settings of the servers: `{"BABELSCOPE_HUB": "false"}`.
        threads: Threads of the encoder and of a job of the trainer; `BABELSCOPE_THREADS` where None, and one a core
            without it.
        start_timeout: Seconds until all are ready.
        retry: Number and timing of retries.
        supervision: `ports`, `restart` and `on_end`: see `babelscope.local.mesh.SupervisionOptions`.

    Raises:
        ValueError: A service is not known.
        MeshError: No checkout of the services is at hand, or a server does not start; the message ends with its log.
    """
    check_options(supervision, SupervisionOptions, "local")
    unknown = [name for name in services if name not in SERVICES]
    if unknown or not services:
        raise ValueError(f"Expected `services` of {', '.join(SERVICES)}, but got {unknown or 'none'}")
    root = checkout()
    cores = _cores()
    ports = supervision.get("ports") or {}
    deadline = time.monotonic() + start_timeout
    with contextlib.ExitStack() as keep:
        temporary = Path(tempfile.gettempdir())
        sweep(temporary)
        folder = keep.enter_context(partial_folder(temporary, "babelscope-mesh"))
        logs = _log_folder(store, folder)
        base = _environment(root, store or folder / "store", model_roots, model_aliases or {})
        servers: dict[str, ServerProcess] = {}
        keep.callback(_stop, servers)
        for name in [name for name in SERVICES if name in services]:
            count = (threads or cores) if name == "encoder" else max(1, cores // 2)
            settings = {**base, **dict.fromkeys(_THREAD_SETTINGS, str(count))}
            if name in _COMPUTING and threads:
                settings["BABELSCOPE_THREADS"] = str(threads)
            elif name == "encoder":
                settings.setdefault("BABELSCOPE_THREADS", str(count))
            for other in _CALLED.get(name, ()):
                if other in servers:
                    settings[f"BABELSCOPE_{other.upper()}"] = servers[other].address
            if name == "trainer":
                settings.update(_trainer_settings(logs.parent))
            if name in _SCRATCH:
                settings["BABELSCOPE_SCRATCH_DIR"] = str(logs.parent / _SCRATCH[name])
            command = [sys.executable, "-m", SERVICES[name].module]
            log = logs / f"{name}-{os.getpid()}.log"
            settings.update(env or {})
            server = ServerProcess(
                name,
                command,
                env=settings,
                folder=folder,
                log=log,
                policy=supervision.get("restart"),
                port=ports.get(name, 0),
                on_end=supervision.get("on_end"),
            )
            servers[name] = server
            server.start()
            server.wait_listening(deadline)
        for server in servers.values():
            server.wait_serving(deadline)
        return LocalMesh(servers, folder, keep.pop_all(), retry)


def _trainer_settings(folder: Path) -> dict[str, str]:
    """Where the trainer keeps its jobs: beside the store where that is a folder, so that they outlive the mesh."""
    work = folder / "trainer"
    return {
        "BABELSCOPE_DATABASE": f"sqlite:///{work / 'jobs.db'}",
        "BABELSCOPE_WORK_DIR": str(work / "work"),
        "BABELSCOPE_CHECKPOINT_DIR": str(work / "models"),
        "BABELSCOPE_LEASE_SECONDS": "20",
    }


def checkout() -> Path:
    """The root of the checkout that this library is part of: the services run from there.

    Raises:
        MeshError: This library was installed without the services.
    """
    root = Path(__file__).resolve().parents[3]
    if not (root / "services" / "encoder" / "__main__.py").is_file():
        raise MeshError(
            "Expected a checkout of Babelscope with its services to start them on this machine, but this library is "
            f"installed alone, in {root}: use `connect` with the address of a running mesh"
        )
    return root


def _environment(
    root: Path, store: Path | str, model_roots: Sequence[Path | str], model_aliases: Mapping[str, Path | str]
) -> dict[str, str]:
    """The environment of every server: the caller's, without what would change where servers listen or import from."""
    passed = {f"BABELSCOPE_{name}" for name in _PASSED}
    env = {
        name: value
        for name, value in os.environ.items()
        if name in passed or not name.startswith(("BABELSCOPE_", "PYTHONPATH", "PYTHONHOME", "PYTHONSTARTUP"))
    }
    aliases = {str(name): str(path) for name, path in json.loads(env.get("BABELSCOPE_MODEL_ALIASES", "{}")).items()}
    demo = demo_model()
    if demo is not None:
        aliases.setdefault(DEMO_MODEL, str(demo))
    aliases.update({name: str(Path(path).resolve()) for name, path in model_aliases.items()})
    if model_roots:
        env["BABELSCOPE_MODEL_ROOTS"] = json.dumps([str(Path(each).resolve()) for each in model_roots])
    location = str(store) if "://" in str(store) else str(Path(store).resolve())
    return {
        **env,
        "PYTHONPATH": os.pathsep.join([str(root), str(root / "clients")]),
        "PYTHONSAFEPATH": "1",
        "PYTHONUNBUFFERED": "1",
        "BABELSCOPE_STORE_URL": location,
        "BABELSCOPE_MODEL_ALIASES": json.dumps(aliases),
        "BABELSCOPE_DRAIN_SECONDS": str(_DRAIN_SECONDS),
    }


def _log_folder(store: Path | str | None, folder: Path) -> Path:
    """Where the logs go: the store where that is a folder, else the working folder."""
    logs = folder / "logs" if store is None or "://" in str(store) else Path(store).resolve() / "logs"
    logs.mkdir(parents=True, exist_ok=True)
    return logs


def _stop(servers: Mapping[str, ServerProcess]) -> None:
    """Stops all servers at once."""
    deadline = time.monotonic() + _STOP_SECONDS
    for server in servers.values():
        server.terminate()
    for server in servers.values():
        server.stop(deadline)


def _cores() -> int:
    """Cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1

"""The trainer, put together from its settings: job table, store, slots, door to messages."""

import asyncio
import hashlib
import logging
import socket
import threading
from collections.abc import Mapping
from functools import partial
from typing import Final

import grpc
from babelscope.data import atomic
from babelscope.v1 import trainer_pb2, trainer_pb2_grpc

from services.runtime.devices import computes
from services.runtime.errors import ServiceError
from services.runtime.files.store import Store
from services.runtime.memory import Memory
from services.runtime.telemetry import Telemetry
from services.runtime.work import Workers
from services.trainer import gauges, workers
from services.trainer.api.listing import Damaged
from services.trainer.api.servicer import Records, TrainerServicer
from services.trainer.api.watching import Notices
from services.trainer.checking import Checker
from services.trainer.cluster.runner import RayRunner
from services.trainer.driver.attempt import DispatchSettings, Tables
from services.trainer.driver.dispatcher import Dispatcher
from services.trainer.driver.warm import Warm
from services.trainer.driver.workers import launch_workers
from services.trainer.jobs.checkpoints import Checkpoints
from services.trainer.jobs.database import Database
from services.trainer.jobs.families import Families
from services.trainer.jobs.retention import Retention
from services.trainer.jobs.room import Room
from services.trainer.jobs.table import JobTable
from services.trainer.serving.models import FineTunedModels
from services.trainer.serving.plan import ServePlan
from services.trainer.serving.predictions import Predictions
from services.trainer.serving.remote import ServedPredictions
from services.trainer.settings import TrainerSettings
from services.trainer.sweeps.family import SweepFamily

log = logging.getLogger(__name__)

_DAY: Final = 86_400.0
_TIDY_SECONDS: Final = 3600.0
"""Time between two looks at what may leave the job table."""
WORKS: Final[Mapping[str, str]] = {
    "fine_tune": "services.trainer.works.fine_tune:run",
    "evaluate": "services.trainer.works.evaluate:run",
    "pretrain_mlm": "services.trainer.works.pretrain_mlm:run",
    "extend_model": "services.trainer.works.extend_model:run",
    "pretrain_static": "services.trainer.works.pretrain_static:run",
}
"""What does a kind of job, in a process of its own."""
WAITING: Final[Mapping[str, str]] = {"study": "services.trainer.works.study:run"}
"""The same for jobs that wait for other jobs, and so must not take their slots."""
LOADED: Final = (
    "torch.fx.experimental.symbolic_shapes",
    "transformers.convert_slow_tokenizer",
    "transformers.models.auto.modeling_auto",
    "transformers.models.auto.tokenization_auto",
    "transformers.tokenization_python",
)
"""What jobs load besides the modules of their kinds: the slowest of it, which starts no thread and asks for no GPU."""
GATEWAY: Final = "services.trainer.serving.gateway"
"""What leads to Ray Serve, in a process of its own."""


class TrainerService:
    """What `services.runtime.server` serves.

    Args:
        settings: Settings of the server.
        telemetry: Registry of the service's metrics.

    Attributes:
        memory: Bytes that requests hold.
        broken: Set once the device of this machine's jobs has failed for good.
    """

    name = trainer_pb2.DESCRIPTOR.services_by_name["TrainerService"].full_name

    def __init__(self, settings: TrainerSettings, telemetry: Telemetry) -> None:
        self._settings = settings
        self._store = Store(settings.store_url, settings.store_bytes)
        self._notices = Notices()
        self._database = Database(settings.database.get_secret_value())
        table = JobTable(self._database, Room(settings.max_jobs, settings.caller_jobs))
        checkpoints, self._retention = Checkpoints(self._database), Retention(self._database)
        self._tidying: asyncio.Task[None] | None = None
        self._stopping = threading.Event()
        self._loop: asyncio.AbstractEventLoop | None = None
        self.broken = asyncio.Event()
        damaged = Damaged()
        gauges.watch(telemetry, self._database, lambda: damaged.count)
        self._ray = _ray(settings)
        # On Ray, the processes of all jobs but studies are started on the machines that it chooses.
        kinds = {**WAITING, **({} if self._ray is not None else WORKS)}
        env = {"OMP_NUM_THREADS": str(settings.threads_of_a_job())}
        if self._ray is None and settings.device == "auto" and settings.chosen_device() != "cpu":
            # A job that finds no GPU where the trainer found one has lost it, and must not go on without.
            env["BABELSCOPE_DEVICE"] = "cuda"
        self._warm = Warm([work.partition(":")[0] for work in kinds.values()] + list(LOADED), env)
        near = partial(launch_workers, each=self._warm.launch) if settings.fork_jobs else launch_workers
        self._dispatcher = Dispatcher(
            Tables(table, checkpoints, Families(self._database), self._notices.notify),
            DispatchSettings(
                works=WORKS,
                waiting=WAITING,
                waiting_slots=settings.study_slots,
                families={"sweep": SweepFamily()},
                workdir=settings.work_dir,
                slots=settings.slots,
                lease_seconds=settings.lease_seconds,
                stop_seconds=settings.stop_seconds,
                env=env,
                launch=self._ray.launch if self._ray is not None else near,
                launch_waiting=near,
                workers=workers.workers_of,
                # On Ray each job runs where there is room for it.
                shared=frozenset({"fine_tune"} if self._ray is None else ()),
                # On Ray the device is another machine's, or one that Ray gives to each job.
                computes=partial(computes, settings.chosen_device() if self._ray is None else "cpu"),
            ),
            self._break,
        )
        files = settings.model_files(self._store)
        self.memory = Memory(settings.held_bytes)
        self._workers = Workers(settings.predict_threads, memory=self.memory)
        models: Predictions = FineTunedModels(
            self._store, settings.checkpoint_dir, device=settings.chosen_device(), most=settings.max_models
        )
        self._served = None
        if self._ray is not None and settings.predict_replicas:
            self._served = models = ServedPredictions(models, partial(_gateway, settings, self._ray))
        self._servicer = TrainerServicer(
            settings,
            Records(table, checkpoints, self._retention, self._store, self._notices, damaged),
            models,
            self._workers,
            self.memory,
            check=Checker(files, checkpoints, settings.max_workers),
            entered=self._dispatcher.wake,
        )

    def register(self, server: grpc.aio.Server) -> None:
        """Adds the servicer to the server."""
        trainer_pb2_grpc.add_TrainerServiceServicer_to_server(self._servicer, server)

    async def start(self) -> None:
        """Clears what was interrupted, and starts to work through the table."""
        await asyncio.to_thread(self._store.sweep)
        await asyncio.to_thread(atomic.sweep, self._settings.checkpoint_dir)
        self._notices.bind()
        self._loop = asyncio.get_running_loop()
        await asyncio.to_thread(self._dispatcher.start)
        if self._settings.keep_jobs_days:
            self._tidying = asyncio.create_task(self._tidy(self._settings.keep_jobs_days * _DAY))

    def _break(self) -> None:
        """Ends the server, whose jobs have no device any more; called from any thread."""
        if self._loop is not None:
            self._loop.call_soon_threadsafe(self.broken.set)

    async def _tidy(self, seconds: float) -> None:
        """Removes jobs from the table that failed or were cancelled long ago, again and again."""
        while True:
            try:
                if removed := await asyncio.to_thread(self._retention.sweep, seconds, self._stopping.is_set):
                    log.info("old jobs removed", extra={"jobs": removed})
            except ServiceError as error:
                log.warning("the job table cannot be asked", extra={"reason": str(error)})
            await asyncio.sleep(_TIDY_SECONDS)

    async def stop(self) -> None:
        """Gives running jobs back, ends their processes, and closes the table."""
        self._stopping.set()
        if self._tidying is not None:
            self._tidying.cancel()
        await asyncio.to_thread(self._dispatcher.close)
        await asyncio.to_thread(self._warm.close)
        if self._served is not None:
            await asyncio.to_thread(self._served.close)
        if self._ray is not None:
            await asyncio.to_thread(self._ray.close)
        self._servicer.close()
        await self._workers.close()
        await asyncio.to_thread(self._database.close)


def _ray(settings: TrainerSettings) -> RayRunner | None:
    """What gives jobs to Ray; None where they are processes of this machine.

    Raises:
        FailedPrecondition: Ray is not installed.
    """
    if settings.runner != "ray":
        return None
    return RayRunner(
        settings.cluster,
        cpus=settings.threads_of_a_job(),
        gpus=settings.ray_gpus,
        slots=settings.slots,
        stop_seconds=settings.stop_seconds,
        env=_followed(settings),
    )


def _followed(settings: TrainerSettings) -> dict[str, str]:
    """What processes on Ray have from this trainer's settings.

    They have the same threads wherever they run, and the GPU that Ray gives them; states of jobs are in the store where
    the next attempt may run on another machine.
    """
    return {
        "BABELSCOPE_THREADS": str(settings.threads_of_a_job()),
        "BABELSCOPE_DEVICE": "cuda:0" if settings.ray_gpus else "cpu",
        "BABELSCOPE_SHARE_STATES": str(settings.shares_states).lower(),
    }


def _gateway(settings: TrainerSettings, ray: RayRunner) -> tuple[str, str, Mapping[str, str]]:
    """Module, plan and environment of the process that leads to Ray Serve."""
    address, folder, env = ray.reach()
    place = f"{socket.gethostname()}:{settings.work_dir.absolute()}"
    plan = ServePlan(
        # The same at the next start, which then replaces what a killed trainer has left on a cluster.
        name=f"babelscope-predict-{hashlib.sha256(place.encode()).hexdigest()[:16]}",
        address=address,
        folder=folder,
        replicas=settings.predict_replicas,
        # The cores of this machine's Ray are those of jobs, which would keep replicas waiting.
        cpus=float(settings.threads_of_a_job()) if address else 0.0,
        gpus=settings.ray_gpus,
        env=_followed(settings),
    )
    return GATEWAY, plan.text(), env

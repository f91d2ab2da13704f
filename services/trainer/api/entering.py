"""The way of a job into the table: its message is read, what can be known of it is checked, and it is written."""

import asyncio
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Final, Protocol

from babelscope.v1 import trainer_pb2

from services.runtime.errors import FailedPrecondition, InvalidArgument, LimitExceeded, Unavailable
from services.runtime.files.store import Store
from services.runtime.memory import Account, Memory, accounted
from services.trainer import specs
from services.trainer.api.jobs import read_job
from services.trainer.api.names import LONGEST, read_job_name, read_short
from services.trainer.jobs.records import JobRecord, NewJob, State
from services.trainer.jobs.table import JobTable
from services.trainer.workers import regrouped

MOST_SPEC_BYTES: Final = 1 << 20
"""Longest specification in the table's form: files and arrays are in the store, and sets are named."""
_SIZE_BYTES: Final = 16 << 10
"""Bytes of a specification that count as a job: the limits of jobs bound what the table holds of them."""
_MOST_LABELS: Final = 64
_LARGEST_PRIORITY: Final = 1_000_000
_THREADS: Final = 4


class Check(Protocol):
    """Refuses jobs that cannot succeed."""

    def __call__(self, kind: str, spec: Any) -> None:
        """Checks a specification; blocks. Raises ServiceError."""

    def asks_the_hub(self, kind: str, spec: Any) -> bool:
        """Whether a check of this specification would ask the hub, which may take as long as it likes."""


class Entrance:
    """Where jobs are entered.

    Jobs whose models are at the hub are checked in threads of their own: a hub that never answers holds up those alone
    who ask it.

    Args:
        table: The jobs.
        store: Store that receives arrays and files.
        memory: Bytes that requests hold.
        check: Refuses a job that cannot succeed, before it is queued.
        hub_seconds: Time that the hub has to give a model.
    """

    def __init__(self, table: JobTable, store: Store, memory: Memory, check: Check, hub_seconds: float) -> None:
        self._table, self._store, self._memory, self._check = table, store, memory, check
        self._hub_seconds = hub_seconds
        self._pool = ThreadPoolExecutor(_THREADS, thread_name_prefix="enter")
        self._askers = ThreadPoolExecutor(_THREADS, thread_name_prefix="hub")

    def close(self) -> None:
        """Releases the threads, without waiting for the hub."""
        self._pool.shutdown(wait=False, cancel_futures=True)
        self._askers.shutdown(wait=False, cancel_futures=True)

    async def enter(self, request: trainer_pb2.CreateJobRequest, caller: str) -> JobRecord:
        """Enters a job.

        Args:
            request: What is to be done.
            caller: Who asks for it.

        Raises:
            ServiceError: What is wrong with it.
        """
        request_id = read_short(request.request_id, "request_id")
        if abs(request.job.priority) > _LARGEST_PRIORITY:
            raise InvalidArgument(
                "job.priority",
                f"Expected a priority within -{_LARGEST_PRIORITY}..{_LARGEST_PRIORITY}, but got {request.job.priority}",
            )
        labels = read_labels(request.job.labels, "job.labels")
        parent = read_job_name(request.job.parent, "job.parent") if request.job.parent else ""

        def write(kind: str, spec: Any) -> JobRecord:
            if parent and self._table.get(parent).state is not State.RUNNING:
                raise FailedPrecondition(f"job {parent}", "Expected a running job as `job.parent`, but it does not run")
            data = _written(spec)
            new = NewJob(kind, data, request.job.priority, parent, labels, caller=caller, size=_size(spec, data))
            return self._table.create(new, request_id)

        with self._memory.account() as account:
            kind, spec = await self._run(self._pool, lambda: self._read(request.job, account))
            await self._checked(kind, spec)
            return await asyncio.to_thread(write, kind, spec)

    async def regrouped(self, job: str, workers: int) -> bytes:
        """The specification of a job that goes on with another number of workers.

        Raises:
            ServiceError: It cannot.
        """
        found = await asyncio.to_thread(self._table.get, job)
        spec = await self._run(self._pool, lambda: regrouped(found.kind, found.spec, workers))
        try:
            await self._checked(found.kind, spec)
        except InvalidArgument as error:
            raise InvalidArgument("workers", error.problem) from error
        return _written(spec)

    def _read(self, job: trainer_pb2.Job, account: Account) -> tuple[str, Any]:
        with accounted(account):
            return read_job(job, self._store)

    async def _checked(self, kind: str, spec: Any) -> None:
        """Checks a specification.

        Raises:
            Unavailable: The hub takes too long.
            ServiceError: What is wrong with it.
        """
        if not await self._run(self._pool, lambda: self._check.asks_the_hub(kind, spec)):
            await self._run(self._pool, lambda: self._check(kind, spec))
            return
        try:
            async with asyncio.timeout(self._hub_seconds):
                await self._run(self._askers, lambda: self._check(kind, spec))
        except TimeoutError:
            raise Unavailable(
                f"Expected the hub to give the models of the job within {self._hub_seconds:g} s, but it did not"
            ) from None

    async def _run(self, pool: ThreadPoolExecutor, work: Callable[[], Any]) -> Any:
        return await asyncio.get_running_loop().run_in_executor(pool, work)


def read_labels(labels: Mapping[str, str], field: str) -> dict[str, str]:
    """Labels, whose number and lengths are bounded.

    Raises:
        InvalidArgument: A name is empty, or a name or value is too long.
        LimitExceeded: There are too many.
    """
    if len(labels) > _MOST_LABELS:
        raise LimitExceeded("max_labels", f"Expected at most {_MOST_LABELS} labels, but got {len(labels)}")
    for name, value in labels.items():
        if not name or len(name) > LONGEST or len(value) > LONGEST or "\x00" in name + value:
            raise InvalidArgument(
                f"{field}[{name[:50]}]",
                f"Expected a name of 1..{LONGEST} characters, a value of at most as many, and no NUL in either",
            )
    return dict(labels)


def _size(spec: Any, data: bytes) -> int:
    """Jobs that a specification counts as, with those that it will make: each as one for every `_SIZE_BYTES`."""
    own = -(-len(data) // _SIZE_BYTES)
    return own + spec.jobs * _size(None, specs.write(spec.base)) if isinstance(spec, specs.SweepJob) else own


def _written(spec: Any) -> bytes:
    """The table's form of a specification.

    Raises:
        LimitExceeded: It is too long.
    """
    data = specs.write(spec)
    if len(data) > MOST_SPEC_BYTES:
        raise LimitExceeded(
            "max_spec_bytes", f"Expected a specification of at most {MOST_SPEC_BYTES} bytes, but got {len(data)}"
        )
    return data

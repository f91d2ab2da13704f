"""Answers `babelscope.v1.TrainerService`: messages to the job table and back."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from contextlib import aclosing
from dataclasses import dataclass
from typing import Any, Final

from babelscope.data.example_messages import from_proto, to_proto
from babelscope.v1 import trainer_pb2, trainer_pb2_grpc

from services.runtime.errors import FailedPrecondition, InvalidArgument, LimitExceeded
from services.runtime.files.folders import delete_folder
from services.runtime.files.store import Store
from services.runtime.memory import Account, Memory, accounted
from services.runtime.paging import cut_page, page_token, read_page
from services.runtime.streams import first, later
from services.runtime.work import Feed, Workers
from services.trainer import specs
from services.trainer.api import messages
from services.trainer.api.alignment import read_language_edits
from services.trainer.api.jobs import read_job
from services.trainer.api.specs import at_least
from services.trainer.api.watching import Notices
from services.trainer.jobs.checkpoints import Checkpoints
from services.trainer.jobs.records import Filter, JobRecord, NewJob, State
from services.trainer.jobs.table import EVENTS_A_READ, JobTable
from services.trainer.serving.predictions import AskedModel, Predictions
from services.trainer.settings import TrainerSettings
from services.trainer.workers import regrouped

_POLL_SECONDS: Final = 1.0
"""Time after which a watcher looks at the table without a notice: another trainer may have written to it."""
_CHUNK_BYTES: Final = 1 << 20
_MOST_LABELS: Final = 64
_LONGEST_LABEL: Final = 255
_LONGEST_REQUEST_ID: Final = 255
_LARGEST_PRIORITY: Final = 1_000_000


@dataclass(frozen=True, slots=True)
class Records:
    """What the servicer reads and writes.

    Attributes:
        table: The jobs.
        checkpoints: The checkpoints.
        store: Store that holds checkpoints and arrays.
        notices: Wakes those who watch a job.
    """

    table: JobTable
    checkpoints: Checkpoints
    store: Store
    notices: Notices


class TrainerServicer(trainer_pb2_grpc.TrainerServiceServicer):
    """Answers `babelscope.v1.TrainerService`. The table is asked in threads: no call of it blocks the event loop.

    Args:
        settings: Limits.
        records: Jobs, checkpoints, and where their files are.
        models: Answers requests for predictions.
        workers: Threads for predictions.
        memory: Bytes that requests hold.
        check: Refuses a job that cannot succeed, before it is queued; blocks.
        entered: Called after a job was entered.
    """

    def __init__(
        self,
        settings: TrainerSettings,
        records: Records,
        models: Predictions,
        workers: Workers,
        memory: Memory,
        *,
        check: Callable[[str, Any], None],
        entered: Callable[[], None],
    ) -> None:
        self._settings, self._models, self._workers, self._memory = settings, models, workers, memory
        self._table, self._checkpoints = records.table, records.checkpoints
        self._store, self._notices = records.store, records.notices
        self._check, self._entered = check, entered
        self._watchers = 0

    async def CreateJob(  # noqa: N802 - gRPC's name
        self, request: trainer_pb2.CreateJobRequest, context: Any
    ) -> trainer_pb2.Job:
        """Enters a job."""
        del context
        if len(request.request_id) > _LONGEST_REQUEST_ID:
            raise InvalidArgument(
                "request_id",
                f"Expected at most {_LONGEST_REQUEST_ID} characters, but got {len(request.request_id)}",
            )
        if abs(request.job.priority) > _LARGEST_PRIORITY:
            raise InvalidArgument(
                "job.priority",
                f"Expected a priority within -{_LARGEST_PRIORITY}..{_LARGEST_PRIORITY}, but got {request.job.priority}",
            )
        labels = _read_labels(request.job.labels, "job.labels")
        parent = messages.read_job_name(request.job.parent, "job.parent") if request.job.parent else ""

        def enter(account: Account) -> JobRecord:
            with accounted(account):
                kind, spec = read_job(request.job, self._store)
            self._check(kind, spec)
            if parent and self._table.get(parent).state is not State.RUNNING:
                raise FailedPrecondition(f"job {parent}", "Expected a running job as `job.parent`, but it does not run")
            new = NewJob(kind, specs.write(spec), priority=request.job.priority, parent=parent, labels=labels)
            return self._table.create(new, request.request_id)

        with self._memory.account() as account:
            job = await asyncio.to_thread(enter, account)
        self._entered()
        return messages.write_job(job)

    async def GetJob(  # noqa: N802 - gRPC's name
        self, request: trainer_pb2.GetJobRequest, context: Any
    ) -> trainer_pb2.Job:
        """One job."""
        del context
        job = messages.read_job_name(request.name)
        return messages.write_job(await asyncio.to_thread(self._table.get, job))

    async def ListJobs(  # noqa: N802 - gRPC's name
        self, request: trainer_pb2.ListJobsRequest, context: Any
    ) -> trainer_pb2.ListJobsResponse:
        """A page of jobs."""
        del context
        size, after = read_page(request.page_size, request.page_token)
        wanted = Filter(
            states=messages.read_states(request.states),
            labels=_read_labels(request.labels, "labels"),
            parent=messages.read_job_name(request.parent, "parent") if request.parent else "",
            oldest_first=request.oldest_first,
        )
        found = await asyncio.to_thread(self._table.list, wanted, size + 1, _read_key(after))
        page = found[:size]
        more = len(found) > size
        return trainer_pb2.ListJobsResponse(
            jobs=[messages.write_job(job) for job in page],
            next_page_token=page_token((repr(page[-1].created), page[-1].id)) if more else "",
        )

    async def CancelJob(  # noqa: N802 - gRPC's name
        self, request: trainer_pb2.CancelJobRequest, context: Any
    ) -> trainer_pb2.Job:
        """Stops a job."""
        del context
        job = messages.read_job_name(request.name)
        found = await asyncio.to_thread(self._table.cancel, job)
        self._notices.notify(job)
        return messages.write_job(found)

    async def RetryJob(  # noqa: N802 - gRPC's name
        self, request: trainer_pb2.RetryJobRequest, context: Any
    ) -> trainer_pb2.Job:
        """Queues an ended job again."""
        del context
        job = messages.read_job_name(request.name)
        at_least(request.workers, 0, "workers")
        spec = await asyncio.to_thread(self._regrouped, job, request.workers) if request.workers else None
        found = await asyncio.to_thread(self._table.retry, job, spec)
        self._notices.notify(job)
        self._entered()
        return messages.write_job(found)

    def _regrouped(self, job: str, workers: int) -> bytes:
        """The specification of a job that goes on with another number of workers."""
        found = self._table.get(job)
        spec = regrouped(found.kind, found.spec, workers)
        try:
            self._check(found.kind, spec)
        except InvalidArgument as error:
            raise InvalidArgument("workers", error.problem) from error
        return specs.write(spec)

    async def GetJobFile(  # type: ignore[override]  # noqa: N802 - gRPC's name; it writes instead of yielding
        self, request: trainer_pb2.GetJobFileRequest, context: Any
    ) -> None:
        """A file that a study has written."""
        job = messages.read_job_name(request.name)
        name = messages.file_of(await asyncio.to_thread(self._table.get, job), request.path)
        content = await asyncio.to_thread(self._store.get, name)
        for start in range(0, max(1, len(content)), _CHUNK_BYTES):
            await context.write(trainer_pb2.GetJobFileResponse(chunk=content[start : start + _CHUNK_BYTES]))

    async def WatchJob(  # type: ignore[override]  # noqa: N802 - gRPC's name; it writes instead of yielding
        self, request: trainer_pb2.WatchJobRequest, context: Any
    ) -> None:
        """Events of a job, until it ends."""
        job = messages.read_job_name(request.name)
        if request.from_event < 0:
            raise InvalidArgument("from_event", f"Expected a number of 0 or more, but got {request.from_event}")
        if self._watchers >= self._settings.max_watchers:
            raise LimitExceeded(
                "max_watchers", f"Expected at most {self._settings.max_watchers} calls of WatchJob at once"
            )
        self._watchers += 1
        try:
            with self._notices.watch(job) as noticed:
                await self._watch(job, max(1, request.from_event), noticed, context)
        finally:
            self._watchers -= 1

    async def _watch(self, job: str, number: int, noticed: asyncio.Event, context: Any) -> None:
        while True:
            noticed.clear()
            found = await asyncio.to_thread(self._table.get, job)
            happened = await asyncio.to_thread(self._table.events, job, number)
            message = messages.write_job(found)
            for event in happened:
                await context.write(trainer_pb2.WatchJobResponse(event=messages.write_event(event), job=message))
                number = event.number + 1
            if len(happened) == EVENTS_A_READ:
                continue
            if found.state.ended and number > found.last_event:
                return
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(noticed.wait(), _POLL_SECONDS)

    async def ListCheckpoints(  # noqa: N802 - gRPC's name
        self, request: trainer_pb2.ListCheckpointsRequest, context: Any
    ) -> trainer_pb2.ListCheckpointsResponse:
        """A page of checkpoints."""
        del context
        size, after = read_page(request.page_size, request.page_token)
        job = messages.read_job_name(request.job, "job") if request.job else ""
        found = await asyncio.to_thread(self._checkpoints.list, size + 1, _read_key(after), job)
        page = found[:size]
        more = len(found) > size
        return trainer_pb2.ListCheckpointsResponse(
            checkpoints=[messages.write_checkpoint(each) for each in page],
            next_page_token=page_token((repr(page[-1].created), page[-1].id)) if more else "",
        )

    async def GetCheckpoint(  # noqa: N802 - gRPC's name
        self, request: trainer_pb2.GetCheckpointRequest, context: Any
    ) -> trainer_pb2.Checkpoint:
        """One checkpoint."""
        del context
        name = messages.read_checkpoint_name(request.name)
        return messages.write_checkpoint(await asyncio.to_thread(self._checkpoints.get, name))

    async def DeleteCheckpoint(  # noqa: N802 - gRPC's name
        self, request: trainer_pb2.DeleteCheckpointRequest, context: Any
    ) -> trainer_pb2.DeleteCheckpointResponse:
        """Removes a checkpoint."""
        del context
        name = messages.read_checkpoint_name(request.name)

        def remove() -> None:
            self._checkpoints.remove(name)
            delete_folder(self._store, request.name)

        await asyncio.to_thread(remove)
        return trainer_pb2.DeleteCheckpointResponse()

    async def ListTasks(  # noqa: N802 - gRPC's name
        self, request: trainer_pb2.ListTasksRequest, context: Any
    ) -> trainer_pb2.ListTasksResponse:
        """A page of tasks."""
        del context
        size, after = read_page(request.page_size, request.page_token)
        page, token = cut_page(messages.write_tasks(), size, after, lambda task: (task.name,))
        return trainer_pb2.ListTasksResponse(tasks=page, next_page_token=token)

    async def Predict(  # type: ignore[override]  # noqa: N802 - gRPC's name; it writes instead of yielding
        self, request_iterator: AsyncIterator[trainer_pb2.PredictRequest], context: Any
    ) -> None:
        """Predictions of a fine-tuned model, in the order of the examples."""
        spec = await first(request_iterator)
        checkpoint = messages.read_checkpoint_name(spec.checkpoint, "spec.checkpoint")
        # A copy may still be at hand of a checkpoint that was deleted.
        await asyncio.to_thread(self._checkpoints.get, checkpoint)

        def work(feed: Feed[Any]) -> Any:
            edits = read_language_edits(spec, "spec", self._store)
            asked = AskedModel(f"checkpoints/{checkpoint}", edits, spec.max_tokens)
            examples = (from_proto(later(message, "example")) for message in feed)
            for portion in self._models.predict(asked, examples, feed.check):
                yield trainer_pb2.PredictResponse(examples=[to_proto(each) for each in portion])

        async with aclosing(self._workers.run(work, request_iterator)) as answers:
            async for message in answers:
                await context.write(message)


def _read_labels(labels: Any, field: str) -> dict[str, str]:
    """Labels, whose number and lengths are bounded.

    Raises:
        InvalidArgument: A name is empty, or a name or value is too long.
        LimitExceeded: There are too many.
    """
    if len(labels) > _MOST_LABELS:
        raise LimitExceeded("max_labels", f"Expected at most {_MOST_LABELS} labels, but got {len(labels)}")
    for name, value in labels.items():
        if not name or len(name) > _LONGEST_LABEL or len(value) > _LONGEST_LABEL or "\x00" in name + value:
            raise InvalidArgument(
                f"{field}[{name[:50]}]",
                f"Expected a name of 1..{_LONGEST_LABEL} characters, a value of at most as many, and no NUL in either",
            )
    return dict(labels)


def _read_key(after: tuple[str, ...]) -> tuple[float, str] | None:
    """Time and id of the last entry of the page before.

    Raises:
        InvalidArgument: The token is that of another list.
    """
    if not after:
        return None
    try:
        time, name = after
        return float(time), name
    except ValueError:
        raise InvalidArgument(
            "page_token", "Expected the `next_page_token` of a page before, but got that of another list"
        ) from None

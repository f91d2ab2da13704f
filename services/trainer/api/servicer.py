"""Answers `babelscope.v1.TrainerService`: messages to the job table and back."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import aclosing
from dataclasses import dataclass
from functools import partial
from typing import Any, BinaryIO, Final

from babelscope.data.example_messages import from_proto, to_proto
from babelscope.v1 import text_pb2, trainer_pb2, trainer_pb2_grpc

from services.runtime.callers import accounts
from services.runtime.errors import DataLoss, InvalidArgument
from services.runtime.files.folders import delete_folder
from services.runtime.files.store import Store
from services.runtime.memory import Memory, hold_here
from services.runtime.paging import cut_page, read_page, token_of
from services.runtime.rpc.admission import caller_of, key_of
from services.runtime.rpc.public import Places
from services.runtime.streams import first
from services.runtime.work import Feed, Workers
from services.trainer.api import messages
from services.trainer.api.alignment import read_language_edits
from services.trainer.api.entering import Check, Entrance, read_labels
from services.trainer.api.listing import Damaged
from services.trainer.api.names import read_checkpoint_name, read_job_name, read_key
from services.trainer.api.portions import portions, tokens_weight
from services.trainer.api.specs import at_least
from services.trainer.api.watching import Notices
from services.trainer.jobs.checkpoints import Checkpoints
from services.trainer.jobs.database import Unwritable
from services.trainer.jobs.records import Filter, JobRecord
from services.trainer.jobs.retention import Retention
from services.trainer.jobs.rows import skipped
from services.trainer.jobs.table import EVENTS_A_READ, JobTable
from services.trainer.serving.predictions import AskedModel, Predictions
from services.trainer.settings import TrainerSettings

_POLL_SECONDS: Final = 1.0
"""Time after which a watcher looks at the table without a notice: another trainer may have written to it."""
_CHUNK_BYTES: Final = 1 << 20


@dataclass(frozen=True, slots=True)
class Records:
    """What the servicer reads and writes.

    Attributes:
        table: The jobs.
        checkpoints: The checkpoints.
        retention: Removes jobs.
        store: Store that holds checkpoints and arrays.
        notices: Wakes those who watch a job.
        damaged: Rows that could not be read.
    """

    table: JobTable
    checkpoints: Checkpoints
    retention: Retention
    store: Store
    notices: Notices
    damaged: Damaged


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
        check: Check,
        entered: Callable[[], None],
    ) -> None:
        self._settings, self._models, self._workers, self._memory = settings, models, workers, memory
        self._table, self._checkpoints = records.table, records.checkpoints
        self._store, self._notices, self._retention = records.store, records.notices, records.retention
        self._entrance = Entrance(records.table, records.store, memory, check, settings.hub_seconds)
        self._entered, self._damaged = entered, records.damaged
        self._watchers = Places(settings.max_watchers, "max_watchers", "calls of WatchJob")
        self._writer = ThreadPoolExecutor(1, thread_name_prefix="write")

    async def CreateJob(  # noqa: N802 - gRPC's name
        self, request: trainer_pb2.CreateJobRequest, context: Any
    ) -> trainer_pb2.Job:
        """Enters a job."""
        with _told():
            job = await self._entrance.enter(request, caller_of(accounts.current(), context))
        self._entered()
        return await self._message(job)

    async def GetJob(  # noqa: N802 - gRPC's name
        self, request: trainer_pb2.GetJobRequest, context: Any
    ) -> trainer_pb2.Job:
        """One job."""
        del context
        job = read_job_name(request.name)
        return await self._message(await asyncio.to_thread(self._table.get, job))

    async def ListJobs(  # noqa: N802 - gRPC's name
        self, request: trainer_pb2.ListJobsRequest, context: Any
    ) -> trainer_pb2.ListJobsResponse:
        """A page of jobs."""
        del context
        size, after = read_page(request.page_size, request.page_token)
        wanted = Filter(
            states=messages.read_states(request.states),
            labels=read_labels(request.labels, "labels"),
            parent=read_job_name(request.parent, "parent") if request.parent else "",
            oldest_first=request.oldest_first,
        )
        page, more = await asyncio.to_thread(self._table.page, wanted, size, read_key(after))
        for job in set(page.ids).difference(job.id for job in page.jobs):
            self._damaged.found(job, "its row cannot be read")
        written = await self._write(self._damaged.whole, page.jobs, messages.write_job)
        token = token_of((repr(page.last[0]), page.last[1])) if more and page.last else ""
        return trainer_pb2.ListJobsResponse(jobs=written, next_page_token=token)

    async def CancelJob(  # noqa: N802 - gRPC's name
        self, request: trainer_pb2.CancelJobRequest, context: Any
    ) -> trainer_pb2.Job:
        """Stops a job."""
        del context
        job = read_job_name(request.name)
        with _told():
            found = await asyncio.to_thread(self._table.cancel, job)
        self._notices.notify(job)
        return await self._message(found)

    async def RetryJob(  # noqa: N802 - gRPC's name
        self, request: trainer_pb2.RetryJobRequest, context: Any
    ) -> trainer_pb2.Job:
        """Queues an ended job again."""
        del context
        job = read_job_name(request.name)
        at_least(request.workers, 0, "workers")
        spec = await self._entrance.regrouped(job, request.workers) if request.workers else None
        with _told():
            found = await asyncio.to_thread(self._table.retry, job, spec)
        self._notices.notify(job)
        self._entered()
        return await self._message(found)

    async def DeleteJob(  # noqa: N802 - gRPC's name
        self, request: trainer_pb2.DeleteJobRequest, context: Any
    ) -> trainer_pb2.DeleteJobResponse:
        """Removes an ended job."""
        del context
        job = read_job_name(request.name)
        with _told():
            await asyncio.to_thread(self._retention.remove, job)
        self._notices.notify(job)
        return trainer_pb2.DeleteJobResponse()

    async def GetJobFile(  # type: ignore[override]  # noqa: N802 - gRPC's name; it writes instead of yielding
        self, request: trainer_pb2.GetJobFileRequest, context: Any
    ) -> None:
        """A file that a study has written."""
        job = read_job_name(request.name)
        name = messages.file_of(await asyncio.to_thread(self._table.get, job), request.path)
        async with _opened(self._store, name) as file:
            chunk = await asyncio.to_thread(file.read, _CHUNK_BYTES)
            while True:
                await context.write(trainer_pb2.GetJobFileResponse(chunk=chunk))
                chunk = await asyncio.to_thread(file.read, _CHUNK_BYTES)
                if not chunk:
                    return

    async def WatchJob(  # type: ignore[override]  # noqa: N802 - gRPC's name; it writes instead of yielding
        self, request: trainer_pb2.WatchJobRequest, context: Any
    ) -> None:
        """Events of a job, until it ends."""
        job = read_job_name(request.name)
        if request.from_event < 0:
            raise InvalidArgument("from_event", f"Expected a number of 0 or more, but got {request.from_event}")
        with self._watchers.place(key_of(accounts.current(), context)), self._notices.watch(job) as noticed:
            await self._watch(job, max(1, request.from_event), noticed, context)

    async def _watch(self, job: str, number: int, noticed: asyncio.Event, context: Any) -> None:
        while True:
            noticed.clear()
            found = await asyncio.to_thread(self._table.get, job)
            happened = await asyncio.to_thread(self._table.events, job, number)
            message = await self._message(found) if happened else None
            for event in happened:
                number = event.number + 1
                try:
                    written = messages.write_event(event)
                except DataLoss as error:
                    skipped(f"{job}/{event.number}", error)
                    continue
                await context.write(trainer_pb2.WatchJobResponse(event=written, job=message))
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
        job = read_job_name(request.job, "job") if request.job else ""
        page, last = await asyncio.to_thread(self._checkpoints.page, size, read_key(after), job)
        written = await self._write(self._damaged.whole, page, messages.write_checkpoint)
        token = token_of((repr(last[0]), last[1])) if last else ""
        return trainer_pb2.ListCheckpointsResponse(checkpoints=written, next_page_token=token)

    async def GetCheckpoint(  # noqa: N802 - gRPC's name
        self, request: trainer_pb2.GetCheckpointRequest, context: Any
    ) -> trainer_pb2.Checkpoint:
        """One checkpoint."""
        del context
        name = read_checkpoint_name(request.name)
        return messages.write_checkpoint(await asyncio.to_thread(self._checkpoints.get, name))

    async def DeleteCheckpoint(  # noqa: N802 - gRPC's name
        self, request: trainer_pb2.DeleteCheckpointRequest, context: Any
    ) -> trainer_pb2.DeleteCheckpointResponse:
        """Removes a checkpoint."""
        del context
        name = read_checkpoint_name(request.name)

        def remove() -> None:
            self._checkpoints.remove(name)
            delete_folder(self._store, request.name)

        with _told():
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
        checkpoint = read_checkpoint_name(spec.checkpoint, "spec.checkpoint")
        at_least(spec.max_tokens, 0, "spec.max_tokens")
        # A copy may still be at hand of a checkpoint that was deleted.
        await asyncio.to_thread(self._checkpoints.get, checkpoint)

        edits = await self._workers.call(lambda: read_language_edits(spec, "spec", self._store))
        asked = AskedModel(f"checkpoints/{checkpoint}", edits, spec.max_tokens)
        # What the model refuses, it refuses before anything of the examples is read.
        await self._workers.one(partial(self._answered, asked, ()))
        async with aclosing(portions(request_iterator, self._memory)) as found:
            async for portion in found:
                answered = await self._workers.one(partial(self._answered, asked, portion))
                for message in answered:
                    await context.write(message)

    def _answered(
        self, asked: AskedModel, portion: Sequence[text_pb2.Example], feed: Feed[Any]
    ) -> list[trainer_pb2.PredictResponse]:
        """The answers to some examples; blocks."""
        hold_here(tokens_weight(portion))
        examples = [from_proto(each) for each in portion]
        return [
            trainer_pb2.PredictResponse(examples=[to_proto(each) for each in some])
            for some in self._models.predict(asked, examples, feed.check)
        ]

    async def _message(self, job: JobRecord) -> trainer_pb2.Job:
        """A job's message."""
        message: trainer_pb2.Job = await self._write(messages.write_job, job)
        return message

    async def _write(self, write: Callable[..., Any], *rows: Any) -> Any:
        """Messages of rows, which may be long: made beside the event loop, one after the other."""
        return await asyncio.get_running_loop().run_in_executor(self._writer, write, *rows)

    def close(self) -> None:
        """Releases the threads."""
        self._entrance.close()
        self._writer.shutdown(wait=False, cancel_futures=True)


@contextlib.contextmanager
def _told() -> Iterator[None]:
    """What a client is told of a job table that cannot be written to."""
    try:
        yield
    except Unwritable as error:
        raise error.error from error


@contextlib.asynccontextmanager
async def _opened(store: Store, name: str) -> AsyncIterator[BinaryIO]:
    """An object of the store, checked, for reading piece by piece."""
    with contextlib.ExitStack() as stack:
        file = await asyncio.to_thread(stack.enter_context, store.open(name))
        try:
            yield file
        finally:
            await asyncio.to_thread(stack.close)

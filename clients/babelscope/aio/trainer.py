"""The asynchronous client of the trainer."""

from collections.abc import AsyncIterator, Callable, Iterable, Mapping, Sequence
from typing import Any

from babelscope.aio.training import AsyncTrainingClient
from babelscope.calls.jobs import (
    JobFile,
    Prediction,
    Watch,
)
from babelscope.data.capabilities import TaskInfo
from babelscope.data.examples import Example
from babelscope.data.jobs import STATES, Checkpoint, Job, JobEvent
from babelscope.data.models import Intervention
from babelscope.v1 import trainer_pb2


class AsyncTrainerClient(AsyncTrainingClient):
    """Asks the trainer to train and to evaluate. Tasks of one loop may share one client.

    Args:
        config: Address of the server and how to speak to it; a plain address will do.
        channel: The transport; opened to the configured address where None.
    """

    async def get_job(self, name: str, *, timeout: float | None = None) -> Job:
        """A job as it stands.

        Raises:
            NotFound: There is no such job.
            RpcError: The server answered with another error, or could not be reached for too long.
        """
        return Job.from_proto(await self._caller.unary("GetJob", trainer_pb2.GetJobRequest(name=name), timeout))

    async def list_jobs(
        self,
        *,
        states: Sequence[str] = (),
        labels: dict[str, str] | None = None,
        parent: str = "",
        timeout: float | None = None,
    ) -> list[Job]:
        """Jobs, newest first.

        Args:
            states: States wanted; all where empty.
            labels: Labels that a job must have.
            parent: `jobs/ID` of a sweep, for its jobs alone.
            timeout: Seconds for each page.

        Raises:
            ValueError: There is no such state.
            RpcError: The server answered with an error, or could not be reached for too long.
        """
        numbers = {state: number for number, state in STATES.items()}
        unknown = [state for state in states if state not in numbers]
        if unknown:
            raise ValueError(f"Expected `states` of {', '.join(numbers)}, but got {unknown[0]!r}")

        def request(**page: Any) -> trainer_pb2.ListJobsRequest:
            wanted = [numbers[state] for state in states]
            return trainer_pb2.ListJobsRequest(states=wanted, labels=labels or {}, parent=parent, **page)

        pages = await self._pages("ListJobs", request, timeout)
        return [Job.from_proto(each) for page in pages for each in page.jobs]

    async def job_file(self, name: str, path: str, *, timeout: float | None = None) -> bytes:
        """A file that a study has written.

        Args:
            name: `jobs/ID`.
            path: Path of the file, one of the job's `files`.
            timeout: Seconds for the whole call.

        Raises:
            NotFound: There is no such job, or it has no such file.
            RpcError: The server answered with another error, or could not be reached for too long.
        """
        content = bytearray()
        async for chunk in self._caller.stream(JobFile(name, path), self._caller.stream_timeout(timeout)):
            content += chunk
        return bytes(content)

    async def cancel_job(self, name: str, *, timeout: float | None = None) -> Job:
        """Stops a job; the checkpoints that it has saved are kept.

        Raises:
            NotFound: There is no such job.
            Refused: It has ended already.
            RpcError: The server answered with another error, or could not be reached for too long.
        """
        return Job.from_proto(await self._caller.unary("CancelJob", trainer_pb2.CancelJobRequest(name=name), timeout))

    async def retry_job(self, name: str, *, workers: int = 0, timeout: float | None = None) -> Job:
        """Queues a job that failed or was cancelled again; it goes on from its last checkpoint.

        Args:
            name: `jobs/ID`.
            workers: Workers that go on with a job that trains; as many as before where 0. With another number its
                figures may differ from those of an undisturbed job, and its provenance says so.
            timeout: Seconds for the call.

        Raises:
            NotFound: There is no such job.
            InvalidRequest: There are too many workers, or the job is of a kind that has none.
            Refused: It has not failed and was not cancelled.
            RpcError: The server answered with another error, or could not be reached for too long.
        """
        request = trainer_pb2.RetryJobRequest(name=name, workers=workers)
        return Job.from_proto(await self._caller.unary("RetryJob", request, timeout))

    async def delete_job(self, name: str, *, timeout: float | None = None) -> None:
        """Removes an ended job from the trainer's list, with the jobs that it made and all their events.

        Raises:
            NotFound: There is no such job.
            Refused: It has not ended, it has made a checkpoint that is there, or another job made it.
            RpcError: The server answered with another error, or could not be reached for too long.
        """
        await self._caller.unary("DeleteJob", trainer_pb2.DeleteJobRequest(name=name), timeout)

    def watch_job(self, name: str, *, from_event: int = 1, timeout: float | None = None) -> AsyncIterator[JobEvent]:
        """Events of a job as they happen, until it ends.

        Args:
            name: `jobs/ID`.
            from_event: Number of the first event wanted.
            timeout: Seconds for the whole call.

        Raises:
            NotFound: There is no such job.
            RpcError: The server answered with another error, or could not be reached for too long.
        """
        return self._caller.stream(Watch(name, from_event), self._caller.stream_timeout(timeout))

    async def wait_for_job(
        self, name: str, *, progress: Callable[[JobEvent], None] | None = None, timeout: float | None = None
    ) -> Job:
        """A job once it has ended.

        Args:
            name: `jobs/ID`.
            progress: Called with each event.
            timeout: Seconds for the whole call.

        Raises:
            NotFound: There is no such job.
            RpcError: The server answered with another error, or could not be reached for too long.
        """
        async for event in self.watch_job(name, timeout=timeout):
            if progress is not None:
                progress(event)
        return await self.get_job(name)

    async def list_checkpoints(self, *, job: str = "", timeout: float | None = None) -> list[Checkpoint]:
        """Checkpoints, newest first.

        Args:
            job: `jobs/ID`, for its checkpoints alone.
            timeout: Seconds for each page.

        Raises:
            RpcError: The server answered with an error, or could not be reached for too long.
        """

        def request(**page: Any) -> trainer_pb2.ListCheckpointsRequest:
            return trainer_pb2.ListCheckpointsRequest(job=job, **page)

        pages = await self._pages("ListCheckpoints", request, timeout)
        return [Checkpoint.from_proto(each) for page in pages for each in page.checkpoints]

    async def get_checkpoint(self, name: str, *, timeout: float | None = None) -> Checkpoint:
        """A checkpoint.

        Raises:
            NotFound: There is no such checkpoint.
            RpcError: The server answered with another error, or could not be reached for too long.
        """
        request = trainer_pb2.GetCheckpointRequest(name=name)
        return Checkpoint.from_proto(await self._caller.unary("GetCheckpoint", request, timeout))

    async def delete_checkpoint(self, name: str, *, timeout: float | None = None) -> None:
        """Removes a checkpoint from the store.

        Raises:
            NotFound: There is no such checkpoint.
            Refused: The job that made it has not ended.
            RpcError: The server answered with another error, or could not be reached for too long.
        """
        await self._caller.unary("DeleteCheckpoint", trainer_pb2.DeleteCheckpointRequest(name=name), timeout)

    def predict(
        self,
        checkpoint: str,
        examples: Iterable[Example],
        *,
        interventions: Sequence[Intervention] = (),
        language_interventions: Mapping[str, Sequence[Intervention]] | None = None,
        max_tokens: int = 0,
        timeout: float | None = None,
    ) -> AsyncIterator[Example]:
        """Examples with the model's answers in place of the gold ones, in order, as they come.

        Args:
            checkpoint: `checkpoints/ID` of a fine-tuned model.
            examples: Examples to be answered. An iterator is read once, so that a broken call is not tried again.
            interventions: Interventions on the hidden states, behind those that belong to the checkpoint.
            language_interventions: Interventions on the texts of single languages, by language tag.
            max_tokens: Longest input in tokens; that of training where 0.
            timeout: Seconds for the whole call.

        Raises:
            NotFound: There is no such checkpoint.
            InvalidRequest: An example is of another kind than the task takes.
            RpcError: The server answered with another error, or could not be reached for too long.
        """
        call = Prediction(checkpoint, examples, max_tokens, interventions, language_interventions or {})
        return self._caller.stream(call, self._caller.stream_timeout(timeout))

    async def list_tasks(self, *, timeout: float | None = None) -> list[TaskInfo]:
        """The tasks that the trainer offers, by name.

        Raises:
            RpcError: The server answered with an error, or could not be reached for too long.
        """
        pages = await self._pages("ListTasks", trainer_pb2.ListTasksRequest, timeout)
        return [TaskInfo.from_proto(each) for page in pages for each in page.tasks]

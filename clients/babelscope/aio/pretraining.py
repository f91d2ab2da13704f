"""The asynchronous client of the trainer, as far as it enters jobs of pretraining."""

from typing import ClassVar, Unpack

from babelscope.aio.client import AsyncClient
from babelscope.calls.jobs import JobOptions, Sets
from babelscope.calls.options import check_options
from babelscope.calls.pretraining import PretrainOptions, pretrain_mlm_spec
from babelscope.calls.static import StaticOptions, pretrain_static_spec
from babelscope.data.jobs import Job
from babelscope.data.jobs.architecture import Architecture
from babelscope.data.models import Model
from babelscope.transport.services import TRAINER, Service
from babelscope.v1 import trainer_pb2, trainer_pb2_grpc


class AsyncPretrainingClient(AsyncClient):
    """Enters jobs of pretraining, and those of any kind that are given as messages."""

    _service: ClassVar[Service] = TRAINER
    _stub = trainer_pb2_grpc.TrainerServiceStub

    async def pretrain_mlm(
        self,
        start: Model | Architecture | str,
        train: Sets,
        *,
        vocabulary: str = "",
        dev: Sets = (),
        entry: JobOptions | None = None,
        **how: Unpack[PretrainOptions],
    ) -> Job:
        """Enters a job that pretrains a masked language model.

        Args:
            start: Model to go on from, or the `Architecture` of a new one.
            train: Names of the training sets of running text by language; pairs where a language has several.
            vocabulary: Of a new model: `datasets/DIGEST` of a vocabulary, or the name of a model that has one.
            dev: Names of the development sets by language; the best checkpoint is that of the lowest perplexity on the
                source language.
            entry: `request_id`, `priority`, `labels` and `timeout`.
            how: See `babelscope.calls.pretraining.PretrainOptions`.

        Raises:
            ValueError: There is no such form, schedule or dtype.
            InvalidRequest: `.field` names what is wrong.
            NotFound: There is no such model.
            RpcError: The server answered with another error, or could not be reached for too long.
        """
        check_options(how, PretrainOptions, "pretrain_mlm")
        spec = pretrain_mlm_spec(start, vocabulary, how, train=train, dev=dev)
        return await self.create_job(trainer_pb2.Job(pretrain_mlm=spec), **(entry or {}))

    async def pretrain_static(
        self,
        kind: str,
        train: Sets,
        *,
        vocabulary: str,
        entry: JobOptions | None = None,
        **how: Unpack[StaticOptions],
    ) -> Job:
        """Enters a job that trains a vector for each sub-word of a vocabulary: a model of one layer, 0.

        Args:
            kind: `word2vec` (skip-gram), `word2vec_cbow` or `glove`.
            train: Names of the training sets of running text by language, which are joined.
            vocabulary: `datasets/DIGEST` of a vocabulary, or the name of a model that has one.
            entry: `request_id`, `priority`, `labels` and `timeout`.
            how: See `babelscope.calls.static.StaticOptions`.

        Raises:
            ValueError: There is no such kind or form.
            InvalidRequest: `.field` names what is wrong.
            NotFound: There is no such model.
            RpcError: The server answered with another error, or could not be reached for too long.
        """
        check_options(how, StaticOptions, "pretrain_static")
        spec = pretrain_static_spec(kind, vocabulary, how, train=train)
        return await self.create_job(trainer_pb2.Job(pretrain_static=spec), **(entry or {}))

    async def create_job(self, job: trainer_pb2.Job, **entry: Unpack[JobOptions]) -> Job:
        """Enters a job of any kind, given as the message of the contract.

        Args:
            job: The message; its specification counts.
            entry: `request_id`, `priority`, `labels` and `timeout`.

        Raises:
            InvalidRequest: `.field` names what is wrong.
            RpcError: The server answered with another error, or could not be reached for too long.
        """
        check_options(entry, JobOptions, "create_job")
        job.priority = entry.get("priority", 0)
        job.labels.update(entry.get("labels", {}))
        job.parent = entry.get("parent", "")
        # An id of its own makes a call that is tried again harmless.
        request_id = entry.get("request_id") or self._caller.config.new_request_id()
        request = trainer_pb2.CreateJobRequest(job=job, request_id=request_id)
        return Job.from_proto(await self._caller.unary("CreateJob", request, entry.get("timeout")))

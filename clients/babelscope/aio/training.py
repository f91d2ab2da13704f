"""The asynchronous client's part that enters jobs."""

from collections.abc import Mapping, Sequence
from typing import Unpack

from babelscope.aio.pretraining import AsyncPretrainingClient
from babelscope.calls.jobs import FineTuneOptions, JobOptions, Sets, by_language, datasets, fine_tune_spec
from babelscope.calls.options import check_options
from babelscope.calls.sweeps import SweepOptions, sweep_spec
from babelscope.data.jobs import Job
from babelscope.data.jobs.sweep import SweepTask
from babelscope.data.models import Intervention, Model
from babelscope.v1 import trainer_pb2


class AsyncTrainingClient(AsyncPretrainingClient):
    """Enters jobs at the trainer."""

    async def fine_tune(
        self,
        model: Model | str,
        task: str,
        train: Sets,
        *,
        dev: Sets = (),
        test: Sets = (),
        entry: JobOptions | None = None,
        **how: Unpack[FineTuneOptions],
    ) -> Job:
        """Enters a job that fine-tunes a model and scores its best checkpoint.

        Args:
            model: Model to start from; its re-initialised layers are drawn before training.
            task: Name of the task: `pos`, `ner`, `parsing`, `nli`, `qa`; `list_tasks` has all.
            train: Names of the training sets by language.
            dev: Names of the development sets by language; the best checkpoint is that of the best mean score on them.
            test: Names of the test sets by language.
            entry: `request_id`, `priority`, `labels` and `timeout`: see `babelscope.calls.jobs.JobOptions`.
            how: See `babelscope.calls.jobs.FineTuneOptions`.

        Raises:
            InvalidRequest: `.field` names what is wrong.
            NotFound: There is no such model.
            RpcError: The server answered with another error, or could not be reached for too long.
        """
        check_options(how, FineTuneOptions, "fine_tune")
        spec = fine_tune_spec(model, task, how, train=train, dev=dev, test=test)
        return await self.create_job(trainer_pb2.Job(fine_tune=spec), **(entry or {}))

    async def evaluate(
        self,
        checkpoint: str,
        test: Sets,
        *,
        interventions: Sequence[Intervention] = (),
        language_interventions: Mapping[str, Sequence[Intervention]] | None = None,
        lower: tuple[Model | str, int] | None = None,
        dev: Sets = (),
        alphas: Sequence[float] = (),
        max_tokens: int = 0,
        entry: JobOptions | None = None,
    ) -> Job:
        """Enters a job that scores a checkpoint on sets of any language.

        Args:
            checkpoint: `checkpoints/ID` of a fine-tuned model.
            test: Names of the test sets by language.
            interventions: Interventions on the hidden states, behind those that belong to the checkpoint.
            language_interventions: Interventions on the texts of single languages, by language tag.
            lower: Another model and a layer, up to which it takes the place of the checkpoint's embeddings and layers
                (Conneau, Wu et al. 2020, section 5.1.2).
            dev: Names of the development sets by language, on which a factor of `alphas` is chosen.
            alphas: Factors of the shifts in `interventions`, of which the best on a language's development set is used
                on its test sets (Liu et al. 2020, table 4).
            max_tokens: Longest input in tokens; that of training where 0.
            entry: `request_id`, `priority`, `labels` and `timeout`.

        Raises:
            InvalidRequest: `.field` names what is wrong.
            NotFound: There is no such checkpoint.
            RpcError: The server answered with another error, or could not be reached for too long.
        """
        spec = trainer_pb2.EvaluateSpec(
            checkpoint=checkpoint,
            eval=datasets(test),
            interventions=[each.to_proto() for each in interventions],
            language_interventions=by_language(language_interventions or {}),
            max_tokens=max_tokens,
            dev=datasets(dev),
            alphas=alphas,
        )
        if lower is not None:
            part = trainer_pb2.LowerPart(model=Model.of(lower[0]).to_proto(), layer=lower[1])
            spec.lower_part.CopyFrom(part)
        return await self.create_job(trainer_pb2.Job(evaluate=spec), **(entry or {}))

    async def sweep(
        self,
        model: Model | str,
        tasks: Sequence[SweepTask],
        *,
        axes: SweepOptions | None = None,
        entry: JobOptions | None = None,
        **how: Unpack[FineTuneOptions],
    ) -> Job:
        """Enters a grid of fine-tuning jobs as one job.

        Args:
            model: Model to start from.
            tasks: Tasks with their sources and test sets.
            axes: `random_init`, `seeds`, `learning_rates` and `sizes`: see `babelscope.calls.sweeps.SweepOptions`.
            entry: `request_id`, `priority`, `labels` and `timeout`.
            how: What all jobs share: see `babelscope.calls.jobs.FineTuneOptions`.

        Raises:
            ValueError: There is no task.
            InvalidRequest: `.field` names what is wrong.
            NotFound: There is no such model.
            RpcError: The server answered with another error, or could not be reached for too long.
        """
        check_options(how, FineTuneOptions, "sweep")
        check_options(axes or {}, SweepOptions, "sweep")
        spec = sweep_spec(model, tasks, axes or {}, how)
        return await self.create_job(trainer_pb2.Job(sweep=spec), **(entry or {}))

    async def extend_model(
        self,
        model: Model | str,
        vectors: str,
        *,
        map: str = "",  # noqa: A002
        anchors: str = "",
        limit: int = 0,
        entry: JobOptions | None = None,
    ) -> Job:
        """Enters a job that appends vectors of words to a model's embeddings, and the words to its tokenizer.

        Args:
            model: The model.
            vectors: `datasets/DIGEST` of the vectors, as `babelscope.corpora.word_vectors.to_examples` gives them.
            map: `maps/DIGEST` of a map that takes the vectors to the width of the embeddings.
            anchors: `datasets/DIGEST` of vectors of the model's own language in the space of `vectors`, from which such
                a map is fitted by least squares.
            limit: Words that are read of `vectors`; all where 0.
            entry: `request_id`, `priority`, `labels` and `timeout`.

        Raises:
            InvalidRequest: `.field` names what is wrong.
            NotFound: There is no such model.
            RpcError: The server answered with another error, or could not be reached for too long.
        """
        spec = trainer_pb2.ExtendModelSpec(
            model=Model.of(model).to_proto(), vectors=vectors, map=map, anchors=anchors, limit=limit
        )
        return await self.create_job(trainer_pb2.Job(extend_model=spec), **(entry or {}))

"""Masked-language-model pretraining: the training loop with the objective of masked tokens."""

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path

from services.models.catalogue import ModelFiles
from services.trainer.parallel.team import SOLO, Team
from services.trainer.pretraining.checks import check
from services.trainer.pretraining.material import Examples, gather
from services.trainer.pretraining.plan import PretrainPlan
from services.trainer.training.events import Event
from services.trainer.training.plan import Trained
from services.trainer.training.run import CHECKPOINT_SECONDS, Run, arithmetic


def pretrain(
    plan: PretrainPlan,
    *,
    files: ModelFiles,
    examples: Examples,
    workdir: Path,
    cache: Path,
    report: Callable[[Event], None] = lambda event: None,
    stop: Callable[[], bool] = lambda: False,
    device: str = "cpu",
    checkpoint_seconds: float = CHECKPOINT_SECONDS,
    team: Team = SOLO,
) -> Trained:
    """Pretrain a model, going on from what stands in `workdir`, bit for bit: see `services.trainer.training.fit.fit`.

    Args:
        plan: Plan of the run.
        files: Files of the models that may be loaded.
        examples: Datasets by name; each is read once.
        workdir: Folder of this run; made where it is not there.
        cache: Folder for the streams and the new model, which are made again where they are not there.
        report: Is told of each event, in this thread.
        stop: Asked after each step and between batches of an evaluation.
        device: `cpu`, `cuda:0`.
        checkpoint_seconds: Seconds of training between two states on disk.
        team: The workers of the run, as many as the plan says.

    Raises:
        InvalidArgument: Something in the plan is wrong, or does not fit the model.
        NotFound: No such model.
        FailedPrecondition: The model cannot be trained, a set has no text, or there is less of it than a step takes.
        LossNotFinite: Loss or gradient is no finite number.
        Stopped: `stop` said so; the state is on disk.
        PeerLost: Another worker is gone.
    """
    check(plan)
    how = plan.optimisation
    # Nothing tells the head from the encoder in pretraining.
    how = replace(how, head_learning_rate=how.head_learning_rate or how.learning_rate)
    plan = replace(plan, optimisation=how)
    with arithmetic(how.seed, plan.threads, device):
        read = partial(gather, plan, files=files, examples=examples, cache=cache, report=report, device=device)
        # Workers of one machine share the cache.
        objective = team.first_alone(read)
        run = Run(
            objective,
            workdir=workdir,
            report=report,
            stop=stop,
            device=device,
            checkpoint_seconds=checkpoint_seconds,
            team=team,
        )
        return run.finish()

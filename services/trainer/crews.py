"""How many workers do a job together, and the same job with another number of them."""

from dataclasses import replace
from typing import Final

from services.runtime.errors import DataLoss, InvalidArgument
from services.trainer.pretraining.plan import PretrainPlan
from services.trainer.specs import KINDS, FineTuneJob, read

_TRAINING: Final = frozenset({"fine_tune", "pretrain_mlm"})
"""Kinds of jobs that several workers can do together."""


def workers_of(kind: str, spec: bytes) -> int:
    """Number of workers of a job; 1 where its specification cannot be read, which its process will tell."""
    if kind not in _TRAINING:
        return 1
    try:
        job: FineTuneJob | PretrainPlan = read(KINDS[kind], spec)
    except DataLoss:
        return 1
    return job.optimisation.workers


def regrouped(kind: str, spec: bytes, workers: int) -> FineTuneJob | PretrainPlan:
    """A job that goes on with another number of workers.

    Raises:
        InvalidArgument: Jobs of this kind have no workers.
    """
    if kind not in _TRAINING:
        raise InvalidArgument("workers", f"Expected 0 for a job of the kind {kind}, but got {workers}")
    job: FineTuneJob | PretrainPlan = read(KINDS[kind], spec)
    return replace(job, optimisation=replace(job.optimisation, workers=workers, regroup=True))

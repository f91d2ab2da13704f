"""Jobs of the trainer, their events and results, checkpoints, and sweeps."""

from babelscope.data.jobs.job import ENDED, STATES, Checkpoint, Job, JobEvent, JobFigure
from babelscope.data.jobs.sweep import BEST, MEAN_TARGET, SweepFigure, SweepTask

__all__ = [
    "BEST",
    "ENDED",
    "MEAN_TARGET",
    "STATES",
    "Checkpoint",
    "Job",
    "JobEvent",
    "JobFigure",
    "SweepFigure",
    "SweepTask",
]

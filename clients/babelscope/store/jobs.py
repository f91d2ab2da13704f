"""Which jobs may leave a trainer's list, and why the rest may not. Pure: it asks nothing and removes nothing."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from babelscope.data.jobs import Job


@dataclass(frozen=True, slots=True)
class JobVerdict:
    """What becomes of a job and of those that it made.

    Attributes:
        job: Job that no other job on the list made.
        jobs: Number of jobs that go or stay with it, itself included.
        end: Time at which the last of them ended; None where one has not.
        remove: Whether they may be removed.
        reason: Reason of the verdict, a clause.
    """

    job: Job
    jobs: int
    end: datetime | None
    remove: bool
    reason: str


def judge_jobs(jobs: Sequence[Job], made: Mapping[str, str], *, before: float) -> list[JobVerdict]:
    """Decides about every job of a list: one that made others goes or stays with all of them.

    Args:
        jobs: All jobs of the trainer.
        made: For the jobs that made checkpoints which are there, one of these.
        before: Time in seconds since the epoch; jobs that ended later are young.

    Returns:
        Verdicts about jobs that no other one made, in the order of the list.
    """
    names = {job.name for job in jobs}
    children: defaultdict[str, list[Job]] = defaultdict(list)
    for job in jobs:
        children[job.parent].append(job)
    return [_verdict(job, _family(job, children), made, before) for job in jobs if job.parent not in names]


def _family(job: Job, children: Mapping[str, Sequence[Job]]) -> list[Job]:
    """A job and all that it made, over any number of steps."""
    family = [job]
    for each in family:
        family += children.get(each.name, ())
    return family


def _verdict(job: Job, family: Sequence[Job], made: Mapping[str, str], before: float) -> JobVerdict:
    ends = [each.end for each in family if each.ended and each.end is not None]
    end = max(ends) if len(ends) == len(family) else None
    running = next((each for each in family if not each.ended), None)
    named = next((made[each.name] for each in family if each.name in made), None)
    if running is not None:
        reason = f"{'it' if running is job else running.name} is {running.state}"
    elif named is not None:
        reason = f"named by {named}"
    elif end is None or end.replace(tzinfo=UTC).timestamp() > before:
        reason = "young"
    else:
        return JobVerdict(job, len(family), end, True, "nothing names it")
    return JobVerdict(job, len(family), end, False, reason)

"""Which jobs may leave a trainer's list."""

from datetime import datetime

from babelscope.data.jobs import Job
from babelscope.store.jobs import judge_jobs
from babelscope.v1 import trainer_pb2
from google.protobuf.timestamp_pb2 import Timestamp

BEFORE = datetime.fromisoformat("2026-01-01T00:00:00+00:00").timestamp()


def _job(name: str, days: float | None, parent: str = "") -> Job:
    """A job that ended some days before the limit, or has not ended."""
    message = trainer_pb2.Job(name=name, parent=parent, state=trainer_pb2.JOB_STATE_RUNNING)
    if days is not None:
        message.state = trainer_pb2.JOB_STATE_CANCELLED
        message.end_time.CopyFrom(Timestamp(seconds=int(BEFORE - days * 86_400)))
    return Job.from_proto(message)


def test_each_job_has_its_verdict_and_families_have_one() -> None:
    jobs = [
        _job("jobs/old", 1),
        _job("jobs/young", -1),
        _job("jobs/running", None),
        _job("jobs/model", 1),
        _job("jobs/deep", None, "jobs/child"),
        _job("jobs/child", 1, "jobs/study"),
        _job("jobs/study", 1),
        _job("jobs/sweep", 1),
        _job("jobs/one", 1, "jobs/sweep"),
        _job("jobs/other", -1, "jobs/sweep"),
        _job("jobs/whole", 3),
        _job("jobs/part", 2, "jobs/whole"),
        _job("jobs/orphan", 1, "jobs/gone"),
    ]
    verdicts = judge_jobs(jobs, {"jobs/model": "checkpoints/a"}, before=BEFORE)
    assert [(each.job.name, each.jobs, each.remove, each.reason) for each in verdicts] == [
        ("jobs/old", 1, True, "nothing names it"),
        ("jobs/young", 1, False, "young"),
        ("jobs/running", 1, False, "it is running"),
        ("jobs/model", 1, False, "named by checkpoints/a"),
        ("jobs/study", 3, False, "jobs/deep is running"),
        ("jobs/sweep", 3, False, "young"),
        ("jobs/whole", 2, True, "nothing names it"),
        ("jobs/orphan", 1, True, "nothing names it"),
    ]
    assert verdicts[-2].end == jobs[-2].end

"""Jobs that a study waits for, on a trainer that is a table of what it was asked."""

from types import SimpleNamespace
from typing import Any

import pytest
from babelscope.data.activations import Progress
from babelscope.errors import StudyError
from babelscope.study.jobs.ends import going_on, succeeded


class Trainer:
    """Ends every job in a state, after one event of progress and one of another kind."""

    def __init__(self, state: str) -> None:
        self.state = state
        self.retried: list[str] = []

    def retry_job(self, name: str) -> Any:
        self.retried.append(name)
        return SimpleNamespace(name=name, state="queued")

    def wait_for_job(self, name: str, *, progress: Any) -> Any:
        if progress is not None:
            progress(SimpleNamespace(kind="note", done=9, total=9))
            progress(SimpleNamespace(kind="progress", done=2, total=5))
        return SimpleNamespace(name=name, state=self.state, reason="its loss is nan")


@pytest.mark.parametrize(
    ("state", "again"), [("failed", True), ("cancelled", True), ("running", False), ("succeeded", False)]
)
def test_jobs_that_ended_without_a_result_go_on(state: str, again: bool) -> None:
    trainer = Trainer("succeeded")
    job: Any = SimpleNamespace(name="jobs/a", state=state)
    assert (going_on(SimpleNamespace(trainer=trainer), job) is job) is not again
    assert trainer.retried == ["jobs/a"] * again


def test_a_job_is_waited_for_and_its_progress_shown() -> None:
    shown: list[Progress] = []
    mesh = SimpleNamespace(trainer=Trainer("succeeded"))
    assert succeeded(mesh, "jobs/a", "`gap`", "fine-tune", shown.append).name == "jobs/a"
    assert shown == [Progress("fine-tune", 2, 5)]
    assert succeeded(mesh, "jobs/a", "`gap`", "fine-tune", None).name == "jobs/a"


@pytest.mark.parametrize("state", ["failed", "cancelled"])
def test_a_job_without_a_result_ends_the_study_with_its_reason(state: str) -> None:
    mesh = SimpleNamespace(trainer=Trainer(state))
    with pytest.raises(StudyError, match=f"`gap` of m: jobs/a has ended: {state}. its loss is nan"):
        succeeded(mesh, "jobs/a", "`gap` of m", "fine-tune", None)

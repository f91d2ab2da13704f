"""Lines of progress where there is no terminal: what is new every few seconds, the same once in half a minute."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, cast

import pytest
from babelscope.cli import job_progress
from babelscope.cli.console import LinePace, ProgressReport
from babelscope.data.activations import Progress
from babelscope.data.jobs import JobEvent
from babelscope.sync.trainer import TrainerClient


@dataclass
class Clock:
    """A clock that is set by hand."""

    now: float = 0.0

    def __call__(self) -> float:
        """Seconds."""
        return self.now


def test_a_sweep_that_tells_every_second_repeats_no_line(capsys: pytest.CaptureFixture[str]) -> None:
    clock = Clock()
    with ProgressReport("Sweep", LinePace(clock)) as report:
        for second in range(100):
            clock.now = float(second)
            report.update(Progress("fine-tune", 1 + (second >= 50), 4))
    said = [line.strip() for line in capsys.readouterr().err.splitlines()]
    # At 5 s and 35 s; at 50 s and 80 s.
    assert said == ["Sweep: fine-tune 1 of 4"] * 2 + ["Sweep: fine-tune 2 of 4"] * 2


@pytest.mark.parametrize(
    ("asked", "due"),
    [
        # Seconds, stage and count of each update; those that are said.
        ([(1, "a", 1), (4, "a", 2)], []),
        ([(5, "a", 1), (10, "a", 1), (34, "a", 1)], [5]),
        ([(5, "a", 1), (34, "a", 1), (35, "a", 1), (64, "a", 1), (65, "a", 1)], [5, 35, 65]),
        ([(5, "a", 1), (9, "a", 2), (10, "a", 2), (15, "a", 2)], [5, 10]),
        ([(5, "a", 1), (10, "b", 1), (15, "b", 1), (20, "a", 1)], [5, 10, 20]),
    ],
)
def test_a_line_is_due_where_something_has_changed_or_all_was_silent(
    asked: list[tuple[int, str, int]], due: list[int]
) -> None:
    clock = Clock()
    pace = LinePace(clock)
    found = []
    for seconds, stage, count in asked:
        clock.now = float(seconds)
        found += [seconds] if pace.due((stage, count)) else []
    assert found == due


def test_the_last_count_is_said_at_once_and_once() -> None:
    pace = LinePace(Clock())
    assert [pace.due(count, final=count == 2) for count in (1, 2, 2)] == [False, True, False]


class Recorded:
    """A job whose course is written out."""

    def __init__(self, steps: list[tuple[str, int, int]]) -> None:
        self._steps = steps

    def watch_job(self, name: str) -> Iterator[JobEvent]:
        """Its events."""
        for number, (stage, done, total) in enumerate(self._steps, 1):
            yield JobEvent(number, "progress", stage, done, total, {"loss": 1 / number}, "", None, self.get_job(name))

    def get_job(self, name: str) -> Any:
        """Its name in its place."""
        return name


def test_the_course_of_a_job_says_each_count_once(capsys: pytest.CaptureFixture[str]) -> None:
    steps = [("prepare", 0, 0)] * 3 + [("train", 1, 4)] * 2 + [("train", 4, 4)] * 3
    job_progress.watch(cast(TrainerClient, Recorded(steps)), "jobs/1", LinePace(Clock()))
    assert capsys.readouterr().err.splitlines() == ["prepare", "train 4 of 4: loss 0.1667"]

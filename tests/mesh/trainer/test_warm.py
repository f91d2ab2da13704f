"""Processes that are forked from a template: the same as new interpreters, and none is lost with the template."""

import json
import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from services.trainer.driver import starts
from services.trainer.driver.process import JobProcess, launch
from services.trainer.driver.protocol import Assignment, Report
from services.trainer.driver.warm import Warm
from services.trainer.service import LOADED, WAITING, WORKS
from tests.mesh.trainer.conftest import PATIENCE_SECONDS, lives
from tests.support.job_works import expected


@pytest.fixture
def warm() -> Iterator[Warm]:
    """A template that loads no more than what forks need."""
    made = Warm((), {})
    yield made
    made.close()


def _launch(
    warm: Warm | None, folder: Path, job: str, *, work: str = "count", spec: bytes = b"[2, 0.01]", lease: float = 200.0,
    **env: str,
) -> JobProcess:  # fmt: skip
    (folder / job).mkdir()
    assignment = Assignment(job, work, spec, 1, "", str(folder / job), lease)
    start = launch if warm is None else warm.launch
    return start(f"tests.support.job_works:{work}", assignment, env, folder / job / "log")


def _end(process: JobProcess) -> Report | None:
    """The last report; None where the process ends without one. It is let go of."""
    final = None
    end = time.monotonic() + PATIENCE_SECONDS
    while final is None and not process.ended:
        assert time.monotonic() < end
        report = process.report(0.05)
        final = report if report is not None and report.final else None
    process.stop()
    return final


def _result(process: JobProcess) -> bytes:
    final = _end(process)
    assert final is not None, process.last_words()
    assert final.result is not None, final.failure
    return final.result


def _started(process: JobProcess) -> int:
    """Waits until a process has started; its number."""
    end = time.monotonic() + PATIENCE_SECONDS
    while not process.pid:
        assert time.monotonic() < end
        time.sleep(0.01)
    return process.pid


def _parent(pid: int) -> int:
    return int(Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[1])


def _gone(pid: int) -> None:
    end = time.monotonic() + PATIENCE_SECONDS
    while lives(pid):
        assert time.monotonic() < end
        time.sleep(0.01)


def _running(warm: Warm, folder: Path, job: str) -> JobProcess:
    """A fork at work for longer than any test."""
    process = _launch(warm, folder, job, spec=b"[100000, 0.01]")
    end = time.monotonic() + PATIENCE_SECONDS
    while process.report(0.05) is None:
        assert time.monotonic() < end
    assert warm.pid
    assert _parent(process.pid) == warm.pid
    return process


def test_a_fork_is_what_a_new_interpreter_is(tmp_path: Path) -> None:
    """With all that a trainer's template loads: that starts no thread, and changes nothing that a job could see."""
    env = {"OMP_NUM_THREADS": "2", "BABELSCOPE_THREADS": "1"}
    modules = {work.partition(":")[0] for work in (*WORKS.values(), *WAITING.values())}
    warm = Warm(["tests.support.gpu_refused", *sorted(modules), *LOADED], {"OMP_NUM_THREADS": "2"})
    try:
        beside = _launch(warm, tmp_path, "beside", spec=b"[100000, 0.01]", **env)
        assert _parent(_started(beside)) == warm.pid
        first, second = (
            json.loads(_result(_launch(warm, tmp_path, name, work="surroundings", **env))) for name in ("one", "two")
        )
        assert len(list(Path(f"/proc/{warm.pid}/task").iterdir())) == 1
        beside.stop()
    finally:
        warm.close()
    cold = json.loads(_result(_launch(None, tmp_path, "new", work="surroundings", **env)))
    assert first["environment"]["OMP_NUM_THREADS"] == "2"
    assert len({number for each in (first, second, cold) for number in each.pop("unseeded")}) == 9
    outputs = [each.pop("output") for each in (first, second, cold)]
    assert outputs == [[str(tmp_path / name / "log")] * 2 for name in ("one", "two", "new")]
    assert first == second == cold


def test_what_libraries_read_while_they_load_is_that_of_the_process(warm: Warm, tmp_path: Path) -> None:
    """Another number of threads needs a new interpreter; another setting of a server does not."""
    same = _launch(warm, tmp_path, "same", spec=b"[100000, 0.01]", BABELSCOPE_THREADS="1")
    other = _launch(warm, tmp_path, "other", spec=b"[100000, 0.01]", OMP_NUM_THREADS="7")
    assert _parent(_started(same)) == warm.pid
    assert _parent(_started(other)) == os.getpid()
    for each in (same, other):
        each.stop()
        assert each.exit_code == -signal.SIGKILL


def test_exit_codes_and_words_are_those_of_a_child(warm: Warm, tmp_path: Path) -> None:
    killed = _launch(warm, tmp_path, "killed", work="deadly")
    assert _end(killed) is None
    assert "by signal SIGKILL; its log ends with:\nlast words" in killed.last_words()
    left = _launch(warm, tmp_path, "left", work="leaves", spec=b"3")
    assert _end(left) is None
    assert left.exit_code == 3
    assert "with exit code 3" in left.last_words()


def test_a_killed_template_takes_no_job_along_and_another_starts(warm: Warm, tmp_path: Path) -> None:
    process = _launch(warm, tmp_path, "first", spec=b"[60, 0.02]")
    before = _parent(_started(process))
    assert before == warm.pid
    other = _running(warm, tmp_path, "other")
    os.kill(before, signal.SIGKILL)
    _gone(before)
    assert _result(process) == expected(60)
    other.stop()
    _gone(other.pid)
    assert "in an unknown way, after the template that had started it" in other.last_words()
    third = _running(warm, tmp_path, "third")
    assert warm.pid not in (before, None)
    third.stop()


def test_a_template_that_cannot_be_had_is_done_without(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    warm = Warm(["services.no_such_module"], {})
    try:
        # The first one waits for the template, and starts once that has ended; the next one does not wait.
        assert _result(_launch(warm, tmp_path, "first")) == expected(2)
        assert "a job starts without the template" in caplog.text
        next_one = _launch(warm, tmp_path, "next")
        assert _parent(next_one.pid) == os.getpid()
        assert _result(next_one) == expected(2)
    finally:
        warm.close()


def test_a_template_that_hangs_is_given_up(
    warm: Warm, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    running = _running(warm, tmp_path, "running")
    before = warm.pid
    assert before is not None
    os.kill(before, signal.SIGSTOP)
    monkeypatch.setattr(starts, "_START_SECONDS", 0.5)
    assert _result(_launch(warm, tmp_path, "late")) == expected(2)
    assert [record.__dict__.get("reason") for record in caplog.records] == ["it is late"]
    _gone(before)
    assert lives(running.pid)
    running.stop()


@pytest.mark.parametrize("lease", [PATIENCE_SECONDS, 0.5])
def test_nothing_waits_for_the_start(warm: Warm, tmp_path: Path, lease: float) -> None:
    """While a template loads, leases are renewed and run out, and jobs end: here it is stopped in the meantime."""
    _running(warm, tmp_path, "running").stop()
    before = warm.pid
    assert before is not None
    os.kill(before, signal.SIGSTOP)
    kept, ended = (_launch(warm, tmp_path, name, lease=lease) for name in ("kept", "ended"))
    kept.renew(lease)
    assert (kept.pid, kept.ended, kept.exit_code) == (0, False, None)
    ended.stop(PATIENCE_SECONDS)
    assert (ended.pid, ended.exit_code) == (0, -signal.SIGKILL)
    if lease < 1.0:
        time.sleep(2 * lease)  # its length is what is measured
    os.kill(before, signal.SIGCONT)
    final = _end(kept)
    # One that starts after the end of its lease does nothing.
    assert (final.result if final is not None else None) == (expected(2) if lease > 1.0 else None)
    assert kept.exit_code == -signal.SIGKILL or final is not None
    assert not (tmp_path / "ended" / "state.json").exists()
    assert (tmp_path / "kept" / "state.json").exists() == (lease > 1.0)


def test_a_template_keeps_nothing_of_jobs_that_have_ended(warm: Warm, tmp_path: Path) -> None:
    def held() -> tuple[int, int, int]:
        children = Path(f"/proc/{warm.pid}/task/{warm.pid}/children").read_text().split()
        template, trainer = (len(list(Path(f"/proc/{each}/fd").iterdir())) for each in (warm.pid, "self"))
        return len(children), template, trainer

    _running(warm, tmp_path, "first").stop()
    end = time.monotonic() + PATIENCE_SECONDS
    while (before := held())[0]:
        assert time.monotonic() < end
    for number in range(5):
        assert _result(_launch(warm, tmp_path, f"job-{number}")) == expected(2)
    while held() != before:
        assert time.monotonic() < end, (held(), before)
        time.sleep(0.01)
    pid = warm.pid
    assert pid is not None
    warm.close()
    assert not lives(pid)

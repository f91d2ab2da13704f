"""Studies on real servers: a server that is killed, files in another order, missing ids, a bad corpus, a report."""

import os
import random
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from babelscope.data.activations import Progress
from babelscope.errors import InvalidRequest
from babelscope.local.mesh import LocalMesh
from babelscope.report import write_report
from babelscope.study import Row, StudyResult, Watcher, load_study, run_study

from tests.support.restarts import await_restarts

pytestmark = pytest.mark.slow
Write = Callable[..., Path]
# Float32 activations differ in their last digits with the company a text has in its batch.
CLOSE = 2e-4


def numbers(result: StudyResult) -> dict[tuple[object, ...], tuple[float, float]]:
    def key(row: Row) -> tuple[object, ...]:
        return (row.kind, row.metric, row.estimator, row.reinit, row.source, row.target, row.layer, row.n)

    return {key(row): (row.value, row.null_mean) for row in result.rows}


def same(one: StudyResult, two: StudyResult) -> None:
    first, second = numbers(one), numbers(two)
    assert first.keys() == second.keys()
    for name, pair in first.items():
        assert second[name] == pytest.approx(pair, abs=CLOSE), name


class Killer(Watcher):
    """Kills a server without a word in the midst of a step.

    Args:
        mesh: Whose servers.
        name: Which.
        at: Of which step, from 1.
    """

    def __init__(self, mesh: LocalMesh, name: str, at: int) -> None:
        self._mesh, self._name, self._at = mesh, name, at
        self._steps = 0
        self.killed = False

    @contextmanager
    def step(self, summary: str) -> Iterator[Callable[[Progress], None] | None]:
        self._steps += 1
        yield self._look if self._steps == self._at else None

    def _look(self, progress: Progress) -> None:
        pid = self._mesh.pids[self._name]
        if not self.killed and pid is not None:
            self.killed = True
            os.kill(pid, signal.SIGKILL)


def test_a_study_gives_all_that_it_asked(undisturbed: StudyResult, tmp_path: Path) -> None:
    similarity = [row for row in undisturbed.rows if row.kind == "similarity"]
    assert len([row for row in similarity if not row.reinit]) == 3 * 3 * 3
    assert len([row for row in similarity if row.reinit == "1-2@1"]) == 2 * 3 * 3
    plain = {(row.metric, row.source, row.target, row.layer): row for row in similarity if not row.reinit}
    near, far = plain["cka", "en", "fr", 1], plain["cka", "en", "sw", 1]
    assert near.value > far.value > far.null_mean + 2 * far.null_sd
    assert near.low <= near.value <= near.high
    assert all(row.signature for row in undisturbed.rows)
    # Layers below a re-initialised group cannot change.
    drawn = {(row.metric, row.source, row.target, row.layer): row for row in similarity if row.reinit}
    assert drawn["cka", "en", "fr", 0].value == pytest.approx(plain["cka", "en", "fr", 0].value, abs=CLOSE)
    assert drawn["cka", "en", "fr", 2].value != pytest.approx(plain["cka", "en", "fr", 2].value, abs=CLOSE)
    retrieval = {(row.metric, row.source, row.target) for row in undisturbed.rows if row.kind == "retrieval"}
    assert {("p@1", "en", "fr"), ("p@1", "fr", "en"), ("mrr", "sw", "en")} <= retrieval
    page = write_report(undisturbed, tmp_path / "report")
    assert "tiny (2 layers)" in page.read_text(encoding="utf-8")


@pytest.mark.parametrize("kill", [("encoder", 1), pytest.param(("encoder", 3), marks=pytest.mark.soak), ("metrics", 1)])
def test_a_killed_server_changes_no_number(
    mesh: LocalMesh, corpus: Write, undisturbed: StudyResult, tmp_path: Path, kill: tuple[str, int]
) -> None:
    name, at = kill
    # Under other ids the same texts are other rows: no server has them at hand already.
    path = corpus(folder="killed", prefix=f"{name}-{at}-")
    killer = Killer(mesh, name, at)
    before = mesh.restarts[name]
    result = run_study(load_study(path), mesh, tmp_path / "killed-out", watcher=killer)
    assert killer.killed
    await_restarts(mesh, name, before + 1)
    same(undisturbed, result)


def test_files_in_another_order_align_by_id(
    mesh: LocalMesh, corpus: Write, undisturbed: StudyResult, tmp_path: Path
) -> None:
    path = corpus(folder="shuffled")
    for language in ("en", "sw"):
        file = path.parent / f"{language}.txt"
        lines = file.read_text().splitlines(keepends=True)
        random.Random(language).shuffle(lines)
        file.write_text("".join(lines))
    result = run_study(load_study(path), mesh, tmp_path / "shuffled-out")
    same(undisturbed, result)
    assert [each.digest for each in result.languages] == [each.digest for each in undisturbed.languages]


def test_missing_ids_are_reported_and_never_mispaired(
    mesh: LocalMesh, corpus: Write, undisturbed: StudyResult, tmp_path: Path
) -> None:
    path = corpus(folder="missing")
    file = path.parent / "sw.txt"
    lines = file.read_text().splitlines(keepends=True)
    file.write_text("".join(lines[10:]))
    result = run_study(load_study(path), mesh, tmp_path / "missing-out")
    assert {each.language: each.missing for each in result.languages} == {"en": 0, "fr": 0, "sw": 10}
    assert {(each.left, each.right): (each.n, each.left_only) for each in result.pairs} == {
        ("en", "fr"): (400, 0), ("en", "sw"): (390, 10), ("fr", "sw"): (390, 10)
    }  # fmt: skip
    whole, less = numbers(undisturbed), numbers(result)
    for (kind, metric, estimator, reinit, source, target, layer, n), (value, null) in less.items():
        if {source, target} == {"en", "fr"}:
            assert whole[kind, metric, estimator, reinit, source, target, layer, n] == pytest.approx(
                (value, null), abs=CLOSE
            )
        elif metric == "cka":
            # A mis-paired language would fall to the chance level.
            assert value == pytest.approx(
                whole[kind, metric, estimator, reinit, source, target, layer, 400][0], abs=0.05
            )


def test_what_a_server_refuses_is_said(mesh: LocalMesh, corpus: Write, tmp_path: Path) -> None:
    path = corpus("layers: all\noverflow: refuse", folder="long")
    with (path.parent / "fr.txt").open("a") as file:
        file.write("long\t" + "the cat " * 200 + "\n")
    with pytest.raises(InvalidRequest, match="long"):
        run_study(load_study(path), mesh, tmp_path / "long-out")


def test_long_texts_are_cut_and_counted(mesh: LocalMesh, corpus: Write, tmp_path: Path) -> None:
    path = corpus(folder="cut")
    with (path.parent / "fr.txt").open("a") as file:
        file.write("long\t" + "the cat " * 200 + "\n")
    result = run_study(load_study(path), mesh, tmp_path / "cut-out")
    assert {each.language: each.truncated["tiny"] for each in result.languages} == {"en": 0, "fr": 1, "sw": 0}

"""Numbers through a whole mesh, with its servers dying on the way."""

import csv
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import babelscope
import babelscope.aio
import pytest
from babelscope import Comparison, InvalidRequest, LocalMesh, Progress, View
from babelscope.local.mesh import checkout

from tests.support.numbered_texts import TEXTS
from tests.support.restarts import await_restarts

HALF = 2000
VIEWS = {"left": TEXTS[:HALF], "right": TEXTS[-HALF:]}
OFFLINE = {"BABELSCOPE_HUB": "false"}


@pytest.fixture(scope="module")
def whole(model_root: Path) -> Iterator[LocalMesh]:
    """Both servers, which tests may kill; they come back for the next one."""
    with babelscope.local(model_roots=[model_root], env=OFFLINE) as mesh:
        yield mesh


def _numbers(found: Comparison) -> dict[tuple[str, str, int], float]:
    return {(each.metric, each.estimator, each.left_layer): each.value for each in found.estimates}


def test_texts_and_their_activations_give_the_same_numbers(mesh: LocalMesh) -> None:
    texts = {name: TEXTS[:200] if name == "left" else TEXTS[200:400] for name in VIEWS}
    pulled = mesh.metrics.compare(texts, ["cka", "cka:biased"], model="tiny")
    states = {name: mesh.encoder.encode(each, model="tiny") for name, each in texts.items()}
    pushed = mesh.metrics.compare(states, ["cka", "cka:biased"])
    assert _numbers(pulled) == pytest.approx(_numbers(pushed), abs=1e-5)
    assert len(pulled.estimates) == 2 * 3
    assert [view.rows for view in pulled.views] == [200, 200]
    assert {row["model"] for row in pulled.table()} == {row["model"] for row in pushed.table()} == {"tiny"}


async def test_the_twins_agree_on_numbers(mesh: LocalMesh) -> None:
    texts = {"a": TEXTS[:100], "b": TEXTS[100:200]}
    async with babelscope.aio.connect(mesh.address) as aio:
        theirs = await aio.metrics.retrieve(texts, ["cosine"], model="tiny", layers=[2])
    ours = mesh.metrics.retrieve(texts, ["cosine"], model="tiny", layers=[2])
    assert _numbers(ours) == pytest.approx(_numbers(theirs), abs=1e-9)


def test_ids_that_do_not_match_are_named(mesh: LocalMesh) -> None:
    views = {"a": TEXTS[:50], "b": TEXTS[:49]}
    with pytest.raises(InvalidRequest, match="49"):
        mesh.metrics.compare(views, model="tiny")
    found = mesh.metrics.compare(views, model="tiny", alignment="intersect")
    assert (found.pairs[0].n, found.pairs[0].left_only, found.pairs[0].examples) == (49, 1, ("49",))


def test_a_mistake_in_a_view_is_told_through_both_servers(mesh: LocalMesh) -> None:
    views = {"a": TEXTS[:20], "b": View(texts=TEXTS[:20], layers=(77,))}
    with pytest.raises(InvalidRequest, match="77"):
        mesh.metrics.compare(views, model="tiny")


@pytest.mark.slow
@pytest.mark.parametrize("victim", ["encoder", "metrics"])
def test_a_killed_server_changes_no_number(whole: LocalMesh, mesh: LocalMesh, victim: str) -> None:
    expected = mesh.metrics.compare(VIEWS, model="tiny")
    killed: list[int] = []

    def kill(progress: Progress) -> None:
        pid = whole.pids[victim]
        if not killed and progress.stage == "encode" and progress.done and pid is not None:
            killed.append(pid)
            os.kill(pid, signal.SIGKILL)

    found = whole.metrics.compare(VIEWS, model="tiny", progress=kill)
    assert killed
    await_restarts(whole, victim, 1)
    assert _numbers(found) == pytest.approx(_numbers(expected), abs=1e-6)
    assert found.views == expected.views


@pytest.mark.slow
def test_compare_from_end_to_end(model_root: Path, tmp_path: Path) -> None:
    sides = []
    for name, texts in (("en", TEXTS[:60]), ("fr", TEXTS[60:120])):
        path = tmp_path / f"{name}.txt"
        path.write_text("\n".join(texts), encoding="utf-8")
        sides += ["--parallel", f"{name}={path}"]
    root = checkout()
    path = os.pathsep.join([str(root), str(root / "clients")])
    done = subprocess.run(
        [sys.executable, "-m", "babelscope.cli", "compare", "--model", "tiny", *sides, "--out", str(tmp_path / "out")],
        env={**os.environ, "PYTHONPATH": path, "BABELSCOPE_MODEL_ROOTS": str(model_root), **OFFLINE},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    with (tmp_path / "out" / "results.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert [(row["source"], row["target"], row["layer"], row["n"]) for row in rows] == [
        ("en", "fr", str(layer), "60") for layer in range(3)
    ]

"""Two real workers over gloo: the losses of one, runs that resume bit for bit, and a worker that dies."""

import json
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from safetensors.torch import load_file

from services.runtime.errors import FailedPrecondition, InvalidArgument
from services.trainer.parallel.team import SOLO
from services.trainer.training.together import check_workers
from tests.support.golden_model import build
from tests.support.team_process import HOW, align, mask, tune

ROOT = Path(__file__).resolve().parents[5]
WORKERS = 2


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[dict[str, Any]], list[int]]:
    """Folder, what each worker found, and how it ended."""
    folder = tmp_path_factory.mktemp("team")
    build(folder / "golden")
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": f"{ROOT}{os.pathsep}{ROOT / 'clients'}"}
    command = [sys.executable, "-m", "tests.support.team_process", str(folder), str(WORKERS)]
    said = subprocess.run(command, cwd=ROOT, env=environment, stdout=subprocess.PIPE, text=True, check=True).stdout
    codes = json.loads(said.splitlines()[-1])
    found = [json.loads((folder / f"found-{rank}.json").read_text("utf-8")) for rank in range(WORKERS)]
    return folder, found, codes


def _numbers(losses: dict[Any, str]) -> dict[int, float]:
    return {int(step): float.fromhex(bits) for step, bits in losses.items()}


def test_the_losses_are_those_of_one_worker(runs: Any, tmp_path: Path) -> None:
    folder, (found, _), _ = runs
    alone, trained = tune(folder, "alone", SOLO, HOW)
    assert len(alone) > 20
    assert _numbers(found["tuned"]) == pytest.approx(_numbers(alone), abs=1e-5)
    assert (found["workers"], trained.provenance["workers"]) == ("2", "1")
    assert _numbers(found["masked"]) == pytest.approx(_numbers(mask(tmp_path, "masked", SOLO)), abs=1e-5)


def test_a_discriminator_of_two_workers_is_that_of_one(runs: Any) -> None:
    folder, (found, second), _ = runs
    losses, figures, alone = align(folder, "aligned-alone", SOLO)
    assert len(losses) > 15
    assert _numbers(found["aligned"]) == pytest.approx(_numbers(losses), abs=1e-4)
    assert {int(step) for step in found["alignment"]} == figures.keys()
    for step, told in found["alignment"].items():
        assert told == pytest.approx(figures[int(step)], abs=1e-4)
    # All told, not those of one worker: of a batch of some ten rows a share of a whole number of them.
    assert len({round(each["discriminator_accuracy"], 6) for each in figures.values()}) > 5
    assert second["aligned"] == {}
    [state] = (folder / "aligned").glob("best-*")
    ours, theirs = (load_file(each / "interventions.safetensors") for each in (state, alone))
    for name, tensor in theirs.items():
        assert (ours[name] - tensor).abs().max() < 2e-3, name


def test_a_resumed_run_with_a_discriminator_is_the_undisturbed_one_bit_for_bit(runs: Any) -> None:
    folder, found, _ = runs
    assert {"aligned-stopped-4", "aligned-stopped-7"} <= found[0].keys() & found[1].keys()
    assert found[0]["aligned-parts"].items() <= found[0]["aligned-whole"].items()
    [ours, theirs] = (max((folder / name).glob("state-*")) for name in ("aligned-parts", "aligned-whole"))
    for name in ("weights.safetensors", "moments.safetensors"):
        one, other = (load_file(each / name) for each in (ours, theirs))
        assert one.keys() == other.keys()
        assert all(one[key].equal(other[key]) for key in one)
    assert any(key.startswith("objective/exp_avg/") for key in other)


def test_gradients_are_added_up_where_some_worker_has_one(runs: Any) -> None:
    _, found, _ = runs
    for each in found:
        assert each["unequal"] == [0.75, [3.0] * 3, [5.0] * 3, None]


def test_a_resumed_run_is_the_undisturbed_one_bit_for_bit(runs: Any) -> None:
    folder, found, _ = runs
    assert {"stopped-3", "stopped-5"} <= found[0].keys() & found[1].keys()
    assert found[0]["parts"].items() <= found[0]["whole"].items()
    [ours, theirs] = (max((folder / name).glob("state-*")) for name in ("parts", "whole"))
    assert (ours / "state.json").read_text() == (theirs / "state.json").read_text()
    kept = load_file(theirs / "moments.safetensors")
    assert not (kept["random/cpu"] == kept["random/1/cpu"]).all()


def test_the_first_worker_alone_reports_and_writes(runs: Any) -> None:
    _, (_, second), _ = runs
    assert second["tuned"] == second["masked"] == second["parts"] == {}


def test_another_number_of_workers_is_refused_or_recorded(runs: Any) -> None:
    folder, _, _ = runs
    newest = max((folder / "parts").glob("state-*"))
    done = int(newest.name.rpartition("-")[2])
    how = replace(HOW, dropout=0.1)
    with pytest.raises(FailedPrecondition, match=rf"Expected 2 workers, .* after step {done} is of, but got 1"):
        tune(folder, "parts", SOLO, how)
    losses, trained = tune(folder, "parts", SOLO, replace(how, regroup=True))
    assert losses == {}
    assert trained.provenance["workers"] == f"2, from step {done + 1} on 1"


def test_workers_with_other_data_or_plans_are_refused(runs: Any) -> None:
    _, found, _ = runs
    assert "differs" in found[1]
    assert "Expected the plan, model and data of the first worker" in found[1]["differs"]


def test_a_worker_that_dies_is_missed_at_once(runs: Any) -> None:
    _, _, codes = runs
    assert codes == [7, 9]


def test_a_plan_for_more_workers_than_there_are_is_refused() -> None:
    with pytest.raises(InvalidArgument, match=r"Expected 1, the size of the team, but got 2"):
        check_workers(replace(HOW, workers=2), SOLO, "digest")

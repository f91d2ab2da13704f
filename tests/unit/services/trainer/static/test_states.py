"""What a training of static vectors goes on from."""

from functools import partial
from pathlib import Path

import pytest
import torch

from services.runtime.errors import FailedPrecondition
from services.trainer.static.states import States
from services.trainer.training.events import Checkpointed


def test_a_state_comes_back_with_its_arrays_and_its_loss(tmp_path: Path) -> None:
    told: list[Checkpointed] = []
    states = States(tmp_path, "a", seconds=0.0, tell=told.append)
    assert states.load(4).arrays == {}
    arrays = {"words": torch.arange(6.0).reshape(2, 3), "generator": torch.tensor([2**32 - 1, 7])}
    for portions in (5, 6):
        states.done(portions, lambda: arrays, 0.1)
    again = States(tmp_path, "a")
    found = again.load(4)
    assert (found.portions, found.loss, again.begun) == (6, 0.1, 1.5)
    assert all(torch.equal(found.arrays[name], each) for name, each in arrays.items())
    assert [each.step for each in told] == [5, 6]
    assert told[-1].folder.is_dir()


def test_a_damaged_state_is_passed_over_for_the_one_before(tmp_path: Path) -> None:
    states = States(tmp_path, "a", seconds=0.0)
    for portions in (1, 2):
        states.done(portions, partial(dict, words=torch.full((3,), float(portions))))
    (tmp_path / "state-00000002" / "weights.safetensors").write_bytes(b"half")
    found = States(tmp_path, "a").load(4)
    assert (found.portions, found.arrays["words"].tolist()) == (1, [1.0, 1.0, 1.0])


def test_the_state_of_another_plan_is_refused(tmp_path: Path) -> None:
    States(tmp_path, "a", seconds=0.0).done(1, dict)
    with pytest.raises(FailedPrecondition, match="Expected the state of this run"):
        States(tmp_path, "b").load(4)


def test_states_are_kept_when_it_is_time_and_without_a_folder_never(tmp_path: Path) -> None:
    seldom = States(tmp_path, "a", seconds=1e9)
    seldom.done(1, lambda: pytest.fail("asked for arrays that nobody keeps"))
    nowhere = States(seconds=0.0)
    nowhere.done(1, lambda: pytest.fail("asked for arrays that nobody keeps"))
    assert nowhere.load(4).portions == States(tmp_path, "a").load(4).portions == 0

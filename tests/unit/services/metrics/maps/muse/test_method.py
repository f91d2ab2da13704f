"""MUSE: the schedule, the criterion and refinement about a scripted adversary; a planted rotation with the real one."""

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch

from services.metrics.errors import Degenerate
from services.metrics.maps.base import Fitted, Problem
from services.metrics.maps.muse import method as muse
from services.metrics.maps.muse.method import Muse, MuseOptions
from services.metrics.sums.accumulate import nothing
from services.runtime.errors import InvalidArgument
from tests.support.planted_maps import planted, precision_at_1

SMALL = {"hidden": 8, "steps": 20, "epochs": 2, "batch": 8}


def silent(done: int, total: int) -> None:
    """Progress that nobody reads."""


def fit(problem: Problem, **options: Any) -> Fitted:
    return Muse().fit(problem, MuseOptions(**options), check=nothing, tell=silent)


@pytest.fixture
def one_thread() -> Iterator[None]:
    """Small products are slower on several threads, and their sums differ."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


class Scripted:
    """An adversary whose maps are given, one an epoch, and that notes how it is played."""

    maps: list[Any]
    rates: list[float]
    seen: tuple[int, int]

    def __init__(self, source: Any, target: Any, game: Any, *, seed: int, device: Any) -> None:
        Scripted.seen = len(source), len(target)
        self._steps = 0

    def play(self, steps: int, rate: float, *, check: Any) -> None:
        self._steps += steps
        Scripted.rates.append(rate)

    @property
    def matrix(self) -> Any:
        return Scripted.maps[self._steps // 100 - 1]


@pytest.fixture
def scripted(monkeypatch: pytest.MonkeyPatch) -> type[Scripted]:
    """Epochs of 100 steps, in one piece."""
    monkeypatch.setattr(muse, "Adversary", Scripted)
    Scripted.rates = []
    return Scripted


def turned(rotation: Any, share: float) -> Any:
    """A rotation with some of its rows exchanged, from those of least variance up: the more, the worse the map."""
    count = int(share * len(rotation))
    return np.concatenate([rotation[: len(rotation) - count], np.roll(rotation[len(rotation) - count :], 1, axis=0)])


def test_the_rate_decays_and_is_halved_from_the_second_fall_on(scripted: type[Scripted]) -> None:
    case = planted(0, 300, 20, 0.1)
    good, bad, worse = (turned(case.rotation, share) for share in (0.0, 0.3, 0.6))
    scripted.maps = [worse, bad, good, bad, worse, good, bad]
    found = fit(case.problem, epochs=7, steps=100, refinements=0)
    first, second, third, fourth, fifth, sixth, seventh = found.trace
    assert first < second < third > fourth > fifth
    assert third == sixth
    assert seventh == fourth
    # Falls are below the best so far: epochs 4 and 5; epoch 6 equals the best.
    decayed = 0.1 * 0.98 ** np.arange(7)
    np.testing.assert_allclose(scripted.rates, decayed * [1, 1, 1, 1, 1, 0.5, 0.5])
    assert found.settings["best"] == 3
    np.testing.assert_array_equal(found.source.matrix, good)
    np.testing.assert_array_equal(found.target.matrix, np.eye(20))


def test_the_criterion_is_the_mean_cosine_of_the_most_confident_pairs(scripted: type[Scripted]) -> None:
    case = planted(1, 200, 12, 0.4)
    scripted.maps = [turned(case.rotation, 0.3)]
    options = {"epochs": 1, "steps": 100, "refinements": 0, "criterion_words": 150, "criterion_pairs": 40}
    found = fit(case.problem, normalisation="centre", **options)
    x, y = ((rows - rows.mean(axis=0)) for rows in (case.problem.source, case.problem.target))
    x = x @ scripted.maps[0]
    cos = (x / np.linalg.norm(x, axis=1)[:, None]) @ (y / np.linalg.norm(y, axis=1)[:, None]).T
    csls = 2 * cos - np.sort(cos, axis=1)[:, -10:].mean(axis=1)[:, None] - np.sort(cos, axis=0)[-10:].mean(axis=0)
    best, ordered = csls.argmax(axis=1), np.sort(csls, axis=1)
    frequent = [row for row in range(150) if best[row] < 150]
    kept = sorted(frequent, key=lambda row: ordered[row, -2] - ordered[row, -1])[:40]
    assert found.trace[0] == pytest.approx(np.mean([cos[row, best[row]] for row in kept]), abs=1e-6)


@pytest.mark.parametrize("induced", ["mutual", "forward"])
def test_refinement_starts_at_the_best_epoch_and_keeps_the_best_of_all(scripted: type[Scripted], induced: str) -> None:
    case = planted(2, 500, 20, 0.1)
    scripted.maps = [turned(case.rotation, 0.5), turned(case.rotation, 0.9)]
    found = fit(case.problem, epochs=2, steps=100, refinements=4, induced=induced)
    assert len(found.trace) == 6
    assert found.trace[2] > found.trace[0] > found.trace[1]
    assert found.settings["best"] == 1 + int(np.argmax(found.trace))
    assert precision_at_1(case, found) >= 0.99
    assert not found.warnings


def test_a_wrong_map_is_told(scripted: type[Scripted]) -> None:
    case = planted(3, 500, 20, 0.1)
    scripted.maps = [np.eye(20)]
    (warning,) = fit(case.problem, epochs=1, steps=100).warnings
    assert "probably collapsed" in warning


def test_only_frequent_words_take_part(scripted: type[Scripted]) -> None:
    case = planted(4, 300, 12, 0.1)
    scripted.maps = [case.rotation]
    options = {"epochs": 1, "steps": 100, "adversarial_words": 70, "refined_words": 100, "criterion_words": 90}
    found = fit(case.problem, **options)
    assert scripted.seen == (70, 70)
    assert precision_at_1(case, found) >= 0.95
    # The chance level is that of 100 rows, not of 300.
    assert found.settings["chance"] != fit(case.problem, **{**options, "refined_words": 300}).settings["chance"]


def test_words_without_frequent_neighbours_are_no_criterion(scripted: type[Scripted]) -> None:
    case = planted(4, 300, 12, 0.0)
    scripted.maps = [case.rotation]
    assert case.gold[0] != 0
    found = fit(case.problem, epochs=1, steps=100, criterion_words=1, refined_words=12)
    assert found.trace[0] == -1


def test_training_that_diverges_is_refused_where_nothing_came_before(scripted: type[Scripted]) -> None:
    case = planted(5, 200, 10, 0.1)
    broken = np.full((10, 10), np.nan)
    scripted.maps = [broken]
    with pytest.raises(Degenerate, match=r"first epoch \(n=200, m=200, d=10\)"):
        fit(case.problem, epochs=1, steps=100, restarts=2)
    scripted.maps = [case.rotation, broken, case.rotation]
    assert len(fit(case.problem, epochs=3, steps=100, refinements=0).trace) == 1


def test_progress_counts_the_steps_of_all_attempts() -> None:
    told: list[tuple[int, int]] = []
    options = MuseOptions(**{**SMALL, "steps": 300}, discriminator_steps=1, refinements=2, restarts=2)  # type: ignore[arg-type]
    found = Muse().fit(planted(6, 60, 6, 0.1).problem, options, check=nothing, tell=lambda *step: told.append(step))
    assert [done for done, _ in told] == sorted(done for done, _ in told)
    assert {total for _, total in told} == {2 * (2 * 300 + 2)}
    assert told[-1] == (1204, 1204)
    assert {250, 300, 550, 600, 601, 602, 852} <= {done for done, _ in told}
    assert len(found.trace) == 4


def test_the_seed_decides_and_no_one_elses_generator_is_touched() -> None:
    case = planted(7, 80, 6, 0.1)
    before = torch.random.get_rng_state().clone()
    one, same, other = (fit(replace(case.problem, seed=seed), **SMALL) for seed in (-1, -1, 2))
    assert torch.equal(before, torch.random.get_rng_state())
    np.testing.assert_array_equal(one.source.matrix, same.source.matrix)
    assert one.trace == same.trace
    assert one.trace != other.trace


REFUSED: dict[str, tuple[dict[str, Any], str]] = {
    "too few rows": ({"target": np.eye(5)}, "at least k=10 rows on either side for CSLS, but got n=40, m=5"),
    "a row of zeros": ({"target": np.vstack([np.zeros(5), np.ones((20, 5))])}, "row 0 of 21 is zero"),
    "unequal dimensions": ({"target": np.ones((40, 4))}, "p=5 and q=4"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_determines_no_map_is_refused(case: str) -> None:
    sides, message = REFUSED[case]
    with pytest.raises(Degenerate, match=message):
        fit(replace(planted(0, 40, 5, 0.1).problem, **sides), **SMALL)


def test_a_device_that_is_not_there_is_refused() -> None:
    with pytest.raises(InvalidArgument, match="but got 'tpu'"):
        fit(planted(0, 40, 5, 0.1).problem, device="tpu")


def test_it_stops_when_the_caller_has_gone() -> None:
    def check() -> None:
        raise ConnectionAbortedError

    with pytest.raises(ConnectionAbortedError):
        Muse().fit(planted(0, 40, 5, 0.1).problem, MuseOptions(), check=check, tell=silent)


@pytest.mark.slow
@pytest.mark.usefixtures("one_thread")
def test_it_finds_a_planted_rotation_and_restarts_keep_the_best() -> None:
    """Of attempts as short as these half collapse, which ones depends on the last bits; a warning tells."""
    case = planted(2, 600, 24, 0.1)
    tries = (replace(case.problem, seed=seed) for seed in (case.problem.seed, *range(100, 105)))
    fits = (fit(problem, hidden=64, steps=800, epochs=3, rate=0.4, restarts=2) for problem in tries)
    found = next(each for each in fits if not each.warnings)
    assert precision_at_1(case, found) >= 0.95
    assert found.trace[-1] == pytest.approx(1 / np.sqrt(1.01), abs=0.005)

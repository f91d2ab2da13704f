"""Maps of all layers, without a server: what is kept, what is told, what is refused."""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, ClassVar

import babelscope
import numpy as np
import pytest

from services.metrics.estimates.estimates import Progress
from services.metrics.maps.base import Fitted, MapSide, Problem
from services.metrics.maps.fitting import FittedMap, fit_maps
from services.metrics.maps.normalisation import Normalisation
from services.metrics.maps.plan import MapPlan
from services.metrics.maps.registry import Common
from services.metrics.rows.plans import ViewPlan
from services.metrics.rows.reports import ViewReport
from services.metrics.rows.tables import RowTable
from services.metrics.sums.accumulate import nothing
from services.runtime.errors import InvalidArgument
from services.runtime.files.store import Store
from services.runtime.options import option


@dataclass(frozen=True)
class Options:
    """Of the method below."""

    loud: bool = option("Whether it is.", default=True)
    factor: float = option("Of both matrices.", default=2.0)


class Fake:
    """Both sides are multiplied by a number; what it got is noted."""

    name: ClassVar[str] = "fake"
    summary: ClassVar[str] = "For tests."
    supervised: ClassVar[bool] = False
    Options: ClassVar[type[Any]] = Options

    def __init__(self) -> None:
        self.problems: list[Problem] = []

    def refused_seeds(self, _options: Options) -> str:
        return ""

    def fit(self, problem: Problem, options: Options, *, check: Any, tell: Any) -> Fitted:
        self.problems.append(problem)
        tell(1, 2)
        tell(2, 2)
        d = problem.source.shape[1]
        still = Normalisation((), np.empty((0, d)))
        side = MapSide(still, np.diag(np.full(d, options.factor)))
        return Fitted(side, side, (0.25, 0.5), {"rounds": 3}, ("beware",))


def table(name: str, n: int, layers: tuple[int, ...] = (0, 2), d: int = 4, seed: int = 0) -> RowTable:
    rows = np.random.default_rng(seed).standard_normal((n, len(layers), d)).astype(np.float32)
    ids = tuple(f"w{i}" for i in range(n))
    return RowTable(ids, layers, rows, ViewReport(name, n, model_digest=f"{name}{'m' * 63}", data_digest="d" * 64))


def plan(method: Any, **fields: Any) -> MapPlan:
    views = tuple(ViewPlan(name, (), encoded=True, pooling="mean", dtype="f32") for name in ("x", "y"))
    made = MapPlan(views, (), "same", "intersect", method, method.Options(), Common(dictionary=5), seed=9)
    return replace(made, **fields)


def run(made: MapPlan, store: Path, *tables: RowTable, **fields: Any) -> tuple[list[FittedMap], list[Progress]]:
    told: list[Progress] = []
    tables = tables or (table("x", 20), table("y", 30, seed=1))
    budget = fields.pop("budget", 1 << 20)
    found = fit_maps(made, tables, Store(str(store)), budget=budget, check=nothing, tell=told.append)
    return list(found), told


def test_both_sides_are_kept_where_both_move(tmp_path: Path) -> None:
    method = Fake()
    found, told = run(plan(method), tmp_path)
    assert [each.layer for each in found] == [0, 2]
    for each in found:
        assert each.affine
        assert each.trace == (0.25, 0.5)
        assert each.warnings == ("beware",)
        assert len(each.dictionary) == 5
        for name in (each.source_map, each.target_map):
            kept = babelscope.load_map(Store(str(tmp_path)).get(name))
            assert np.array_equal(kept.matrix, 2 * np.eye(4))
    assert told == [
        Progress("fit", done, 2, where) for where in ("layer 0, 1 of 2", "layer 2, 2 of 2") for done in (1, 2)
    ]
    assert [problem.seed for problem in method.problems] == [9, 9]


def test_the_target_is_not_kept_where_it_stays(tmp_path: Path) -> None:
    found, _ = run(plan(Fake(), options=Options(factor=1.0)), tmp_path)
    assert [each.target_map for each in found] == ["", ""]
    assert all(each.source_map for each in found)


def test_a_signature_has_all_settings(tmp_path: Path) -> None:
    found, _ = run(plan(Fake(), options=Options(loud=False, factor=0.5)), tmp_path)
    assert found[0].signature.rpartition("|v:")[0] == (
        "map:fake|loud:false|factor:0.5|dictionary:5|vocabulary:20000|csls_k:10|seed:9|n:20|m:30|dim:4x4|rounds:3|"
        f"pool:mean|dtype:f32|model:x{'m' * 15}/y{'m' * 15}|data:{'d' * 16}"
    )


def test_pairs_come_from_seeds_each_once(tmp_path: Path) -> None:
    method = Fake()
    run(plan(method, seeds=(("w3", "w29"), ("w3", "w1"), ("w3", "w29"))), tmp_path)
    assert method.problems[0].pairs.tolist() == [[3, 29], [3, 1]]


def test_ids_in_common_are_pairs_only_of_a_method_that_needs_some(tmp_path: Path) -> None:
    method = Fake()
    run(plan(method), tmp_path)
    assert method.problems[0].pairs.shape == (0, 2)
    method.supervised = True  # type: ignore[misc]
    run(plan(method), tmp_path)
    assert method.problems[-1].pairs.tolist() == [[i, i] for i in range(20)]


def test_the_dictionary_is_that_of_the_frequent_rows(tmp_path: Path) -> None:
    found, _ = run(plan(Fake(), common=Common(dictionary=100, vocabulary=12)), tmp_path)
    names = {f"w{i}" for i in range(12)}
    assert len(found[0].dictionary) == 12
    assert {one for pair in found[0].dictionary for one in pair} <= names


def test_layers_may_come_in_another_order(tmp_path: Path) -> None:
    source, target = table("x", 20), table("y", 20, layers=(2, 0), seed=1)
    method = Fake()
    run(plan(method), tmp_path, source, target)
    assert np.array_equal(method.problems[0].target, target.rows[:, 1])


@pytest.mark.parametrize("factor", [float("nan"), float("inf")])
def test_a_map_that_is_not_finite_never_leaves(tmp_path: Path, factor: float) -> None:
    with pytest.raises(
        InvalidArgument, match="left the range of doubles; map at layer 0 from n=20 to m=30 rows of d=4"
    ):
        run(plan(Fake(), options=Options(factor=factor)), tmp_path)
    assert not Store(str(tmp_path)).list("maps")

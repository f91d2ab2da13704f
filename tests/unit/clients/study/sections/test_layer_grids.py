"""Every layer with every layer."""

import csv
from collections.abc import Callable
from pathlib import Path

import pytest
from babelscope.errors import StudyError
from babelscope.study import Study, StudyResult
from babelscope.study.sections.layer_grids import SECTION, Grid

Read = Callable[..., Study]
Run = Callable[[Study], StudyResult]


def grids(result: StudyResult) -> tuple[Grid, ...]:
    return SECTION.records(result)


def test_one_model(section: Read, run: Run, mesh, tmp_path: Path) -> None:
    result = run(section("layer_grids: {pairs: sources}", languages=("en", "fr", "zh")))
    asked = mesh.calls[-1][1]
    assert (asked["layer_pairing"], asked["pairs"]) == ("all", [("en", "fr"), ("en", "zh")])
    first, second = grids(result)
    assert (first.source, first.target, first.source_model, first.target_model) == ("en", "fr", "tiny", "tiny")
    assert (first.source_layers, first.target_layers, first.n) == ((0, 1, 2), (0, 1, 2), 6)
    # Rows are the left layers, whatever the order of the answer.
    assert first.values == ((0.8, 0.7, 0.6), (0.71, 0.81, 0.71), (0.62, 0.72, 0.82))
    assert second.values[2][0] == pytest.approx(0.02)
    assert first.low[1][2] == pytest.approx(first.values[1][2] - 0.05)
    assert first.null_mean == ((0.01,) * 3,) * 3
    assert first.signatures == ("metric:cka|est:debiased",)
    with (tmp_path / "out" / "results.csv").open(newline="") as file:
        lines = [line for line in csv.DictReader(file) if line["kind"] == "layer_grid"]
    assert len(lines) == 2 * 9
    assert {line["layer"]: float(line["value"]) for line in lines[:9]}["2|0"] == 0.62


def test_two_models_and_languages_with_themselves(section: Read, run: Run, mesh) -> None:
    study = section(
        "layer_grids: [{pairs: same, models: [A, B], layers: [0, 2]}, {pairs: same, measures: [svcca]}]",
        models="[{name: one, label: A}, {name: two, label: B}]",
        languages=("en", "fr"),
    )
    result = run(study)
    across = [each for each in grids(result) if each.source_model != each.target_model]
    assert [(each.source, each.target, each.source_model, each.target_model) for each in across] == [
        ("en", "en", "one", "two"), ("fr", "fr", "one", "two")
    ]  # fmt: skip
    assert across[0].values == ((0.95, 0.75), (0.77, 0.97))
    within = [each for each in grids(result) if each.source_model == each.target_model]
    assert {(each.source_model, each.metric) for each in within} == {("one", "svcca"), ("two", "svcca")}
    views = next(call["views"] for name, call in mesh.calls if call.get("layer_pairing") == "all")
    assert {name: (view.language, view.model.name) for name, view in views.items()} == {
        "en": ("en", "one"), "en (right)": ("en", "two"), "fr": ("fr", "one"), "fr (right)": ("fr", "two")
    }  # fmt: skip


def test_what_is_done_is_not_asked_again(section: Read, run: Run, mesh) -> None:
    study = section("layer_grids: {}")
    first = run(study)
    count = len(mesh.calls)
    assert grids(run(study)) == grids(first)
    assert len(mesh.calls) == count
    run(section("layer_grids: {layers: [0, 1]}"))
    assert len(mesh.calls) == count + 1
    assert [step.reused for step in run(study).steps] == [True, True]


@pytest.mark.parametrize(
    ("extra", "problem"),
    [
        ("layer_grids: {pair: all}", "layer_grids.pair: Expected one of the keys pairs, measures, models, layers"),
        ("layer_grids: {pairs: some}", "layer_grids.pairs: Expected one of all, sources, same, but got 'some'"),
        ("layer_grids: [{models: [tiny]}]", r"layer_grids\[0\].models: Expected `each`, or the labels of two models"),
        ("layer_grids: {models: [tiny, huge]}", r"layer_grids.models\[1\]: Expected one of tiny, but got 'huge'"),
        ("layer_grids: {models: [tiny, tiny]}", "layer_grids.models: Expected two models, each once"),
        ("layer_grids: []", "layer_grids: Expected a list of at least one item"),
        ("layer_grids: {layers: [7]}", "Expected `layer_grids.layers` within 0..2 for model tiny, but got 7"),
    ],
)
def test_what_is_wrong_is_said(section: Read, run: Run, extra: str, problem: str) -> None:
    with pytest.raises(StudyError, match=problem):
        run(section(extra))

"""Grids of fine-tuning as files say them."""

import json
from pathlib import Path
from typing import Any

import pytest
from babelscope.calls.sweeps import layer_pairs, sweep_spec
from babelscope.data.jobs.sweep import SweepTask
from babelscope.data.models import Reinit
from babelscope.errors import StudyError
from babelscope.study.jobs.grids import read_grid

GRID: Any = {
    "model": "m",
    "tasks": {
        "task": "pos",
        "sources": {"en": {"train": "a.conllu"}},
        "test": {"fr": "b.conllu", "en/web": "c.conllu"},
    },
    "random_init": ["1-2", 4],
    "learning_rates": [1e-5, 5e-5],
    "settings": {"epochs": 2, "freeze_layers": 6},
}


def _write(folder: Path, value: Any) -> Path:
    path = folder / "grid.yaml"
    path.write_text(json.dumps(value))
    return path


def test_a_grid_from_a_file(tmp_path: Path) -> None:
    model, grid = read_grid(_write(tmp_path, GRID))
    assert model == "m"
    [task] = grid.tasks
    assert task.sources == {"en": (tmp_path / "a.conllu", None)}
    assert task.test == {"fr": tmp_path / "b.conllu", "en/web": tmp_path / "c.conllu"}
    assert grid.groups == {"1-2": (1, 2), "4": (4,)}
    assert (grid.seeds, grid.learning_rates, grid.step_tokens) == ((0,), (1e-5, 5e-5), ())
    assert grid.settings == {"epochs": 2.0, "freeze_layers": 6}


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"tasks": {}}, "Expected the key task"),
        ({"random_init": {"x": "two"}}, "random_init.x: Expected layers such as 3"),
        ({"settings": {"epoch": 3}}, "settings.epoch: Expected one of the keys"),
        ({"learning_rates": ["fast"]}, r"learning_rates\[0\]: Expected a finite number"),
        ({"tasks": {**GRID["tasks"], "test": "{language}.conllu"}}, "beside the key languages"),
        ({"rates": [1]}, "Expected one of the keys"),
    ],
)
def test_what_is_wrong_is_named(tmp_path: Path, change: dict[str, Any], words: str) -> None:
    with pytest.raises(StudyError, match=words):
        read_grid(_write(tmp_path, {**GRID, **change}))


@pytest.mark.parametrize(
    ("layers", "labels"), [(6, ["1-2", "3-4", "5-6"]), (5, ["1-2", "3-4", "5"]), (1, ["1"]), (2, ["1-2"])]
)
def test_pairs_of_layers(layers: int, labels: list[str]) -> None:
    pairs = layer_pairs(layers)
    assert list(pairs) == labels
    assert [layer for pair in pairs.values() for layer in pair] == list(range(1, layers + 1))


def test_the_model_as_it_is_comes_first() -> None:
    task = SweepTask("pos", {"en": ("datasets/a", "datasets/b")}, {"en/web": "datasets/c"})
    spec = sweep_spec("m", [task], {"random_init": {"all": [Reinit((1, 2), True)]}, "seeds": (2**53 + 1,)}, {})
    assert [choice.label for choice in spec.reinit] == ["none", "all"]
    assert list(spec.reinit[1].reinit[0].layers) == [1, 2]
    assert spec.reinit[1].reinit[0].embeddings
    assert list(spec.seeds) == [2**53 + 1]
    assert (spec.tasks[0].eval[0].language, spec.tasks[0].eval[0].domain) == ("en", "web")
    with pytest.raises(ValueError, match="at least one task"):
        sweep_spec("m", [], {}, {})

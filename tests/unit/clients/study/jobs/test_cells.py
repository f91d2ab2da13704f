"""Grids of pretraining as study files say them."""

from pathlib import Path
from typing import Any

import pytest
import yaml
from babelscope.data.jobs.architecture import Separation
from babelscope.errors import StudyError
from babelscope.study.jobs.cells import KEYS, CellGrid, CellName, CodeSwitching, read_cells
from babelscope.study.nodes import read_yaml

GRID: Any = {
    "text": {"plain": "plain.{language}.txt", "other": {"fr": "other.fr.txt"}},
    "dictionary": "en-{language}.tsv",
    "settings": {
        "default": {},
        "no anchors": {"vocabulary": "prefixed"},
        "extra anchors": {"code_switch": True},
        "sep": {"vocabulary": "prefixed", "separate_embeddings": True, "separate_layers": 2},
        "domain": {"domain": "other"},
        "window": {"window": 20},
        "untrained": {"untrained": True},
    },
    "sizes": [10, 20],
    "seeds": [0, 1],
    "vocabulary": {"size": 100},
    "model": {"layers": 4, "hidden_size": 32, "max_tokens": 64, "initializer_range": 0.1},
    "training": {"learning_rate": "1e-3", "max_steps": 7, "schedule": "constant"},
}


def _read(folder: Path, **change: Any) -> CellGrid:
    path = folder / "grid.yaml"
    values = {key: value for key, value in {**GRID, **change}.items() if value is not None}
    path.write_text(yaml.safe_dump(values, sort_keys=False))
    for name in ("plain.en.txt", "plain.fr.txt", "other.fr.txt", "en-fr.tsv"):
        (folder / name).write_text(f"{name}\n")
    root = read_yaml(path)
    return read_cells(root, root.mapping(*KEYS), ("en", "fr"))


def test_a_grid_from_a_file(tmp_path: Path) -> None:
    grid = _read(tmp_path)
    assert grid.domain == "plain"
    assert grid.text["other"] == {"fr": tmp_path / "other.fr.txt"}
    assert grid.dictionary == {"fr": tmp_path / "en-fr.tsv"}
    assert grid.settings["extra anchors"].code_switch == CodeSwitching(0.3, 0.15)
    assert (grid.model.family, grid.model.layers, grid.model.initializer_range) == ("bert", 4, 0.1)
    assert grid.training == {"learning_rate": 0.001, "max_steps": 7, "schedule": "constant"}
    # A run that is stopped has seen every setting at every size.
    assert grid.cells[:3] == (("default", 10, 0), ("no anchors", 10, 0), ("extra anchors", 10, 0))
    assert len(grid.cells) == 7 * 2 * 2
    assert {cell.seed for cell in grid.cells[:14]} == {0}


@pytest.mark.parametrize(
    ("name", "separation"),
    [
        ("default", None),
        ("extra anchors", None),
        ("window", None),
        ("no anchors", Separation(prefixed=True)),
        ("sep", Separation(embeddings=True, layers=2, softmax=True, prefixed=True)),
    ],
)
def test_models_of_settings(tmp_path: Path, name: str, separation: Separation | None) -> None:
    grid = _read(tmp_path)
    made = grid.settings[name].architecture(grid.model)
    assert made.separation == separation
    assert (made.layers, made.hidden_size, made.max_tokens) == (4, 32, 64)
    assert grid.settings[name].separates is (name == "sep")


def test_cells_are_chosen_by_patterns(tmp_path: Path) -> None:
    grid = _read(tmp_path, only=["*/20/0", "default/10/1"])
    chosen = [str(cell) for cell in grid.cells if grid.chosen(cell)]
    assert chosen == [*(f"{name}/20/0" for name in GRID["settings"]), "default/10/1"]


def test_a_cell_depends_on_what_makes_its_model(tmp_path: Path) -> None:
    """And on nothing that other cells differ in."""
    plain, cells = _read(tmp_path), {}
    for cell in plain.cells:
        cells[cell] = plain.depends(cell, ("en", "fr"))
    assert len({yaml.safe_dump(each) for each in cells.values()}) == len(cells)
    default = CellName("default", 10, 0)
    more = {**GRID["settings"], "another": {"window": 8}}
    assert _read(tmp_path, settings=more, seeds=[0, 5]).depends(default, ("en", "fr")) == cells[default]
    for change in ({"model": {"layers": 3}}, {"training": {"max_steps": 8}}, {"parallel": True},
                   {"vocabulary": {"size": 101}}, {"dev": "plain.{language}.txt"}):  # fmt: skip
        assert _read(tmp_path, settings={"default": {}}, **change).depends(default, ("en", "fr")) != cells[default], (
            change
        )
    (tmp_path / "plain.fr.txt").write_text("changed\n")
    assert plain.depends(default, ("en", "fr")) != cells[default]
    # The French of the plain domain is no part of a cell that takes another's, nor the dictionary of most.
    assert plain.depends(CellName("domain", 10, 0), ("en", "fr")) == cells[CellName("domain", 10, 0)]
    (tmp_path / "en-fr.tsv").write_text("changed\n")
    assert plain.depends(CellName("domain", 10, 0), ("en", "fr")) == cells[CellName("domain", 10, 0)]
    assert plain.depends(CellName("extra anchors", 20, 1), ("en", "fr")) != cells[CellName("extra anchors", 20, 1)]


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"text": None}, "Expected the key text"),
        ({"text": {"plain": "plain.txt"}}, r"text.plain: Expected a path with `\{language\}`"),
        ({"text": {"plain": {"fr": "x"}}}, "Expected a text of en"),
        ({"settings": {"a/b": {}}}, "Expected a name without `/`"),
        (
            {"settings": {"a": {"vocabulary": "shared"}}},
            "settings.a.vocabulary: Expected one of joint, joined, prefixed",
        ),
        ({"settings": {"a": {"domain": "none"}}}, "Expected a domain of plain, other"),
        ({"settings": {"a": {"code_switch": True}}, "dictionary": None}, "Expected the key dictionary"),
        ({"settings": {"a": {"code_switch": True, "vocabulary": "joined"}}}, "code_switch with a joint vocabulary"),
        ({"settings": {"a": {"separate_layers": 5}}}, r"Expected separate_layers within 0\.\.4"),
        ({"settings": {"a": {"window": 65}}}, "Expected a window of at most 64 tokens"),
        ({"only": ["default/30/0"]}, "Expected patterns of cells such as default/10/0"),
        ({"training": {"seed": 3}}, "training.seed: Expected one of the keys"),
        ({"model": {"family": "roberta"}}, "model.family: Expected one of the keys"),
        ({"sizes": []}, "sizes: Expected a list of at least one item"),
    ],
)
def test_what_is_wrong_is_named(tmp_path: Path, change: dict[str, Any], words: str) -> None:
    with pytest.raises(StudyError, match=words):
        _read(tmp_path, **change)

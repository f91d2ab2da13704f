"""Fine-tuning with a layer aligned, as a study file asks for it."""

from collections.abc import Callable
from pathlib import Path

import pytest
from babelscope.errors import StudyError
from babelscope.study.jobs.alignments import AlignmentGrid, DiscriminatorRow, MapRow, read_alignments
from babelscope.study.nodes import read_yaml
from babelscope.study.schema import load_study

Read = Callable[..., AlignmentGrid]

FULL = """
task: qa
sources: {en: {train: en.json}}
test: {en: en.json, zh: zh.json, zh/news: news.json}
maps:
  - {layer: 2, method: vecmap, options: {whiten: false}}
  - {label: both, layer: 2, method: vecmap, moves: both}
text: {en: en.json, zh: zh.json}
column: context
words: 500
discriminators: [{layer: 1, weight: 0.5}, {label: deep, layer: 3}]
unlabelled: {zh: more.json}
seeds: [1, 2]
settings: {epochs: 2}
"""


@pytest.fixture
def read(tmp_path: Path) -> Read:
    """Reads a section whose files are there."""
    for name in ("en", "zh", "news", "more"):
        (tmp_path / f"{name}.json").write_text(name)

    def call(text: str, *languages: str) -> AlignmentGrid:
        (tmp_path / "study.yaml").write_text(text)
        return read_alignments(read_yaml(tmp_path / "study.yaml"), languages or ("en", "zh"))

    return call


def test_all_keys(read: Read) -> None:
    grid = read(FULL, "en", "fr")
    assert grid.rows == (
        MapRow("vecmap", 2, "vecmap", {"whiten": "false"}),
        MapRow("both", 2, "vecmap", moves="both"),
        DiscriminatorRow("GAN, layer 1", 1, {"weight": 0.5}),
        DiscriminatorRow("deep", 3),
    )
    assert (grid.source, grid.targets, grid.words, grid.seeds) == ("en", ("zh",), 500, (1, 2))
    assert list(grid.scored("zh")) == list(grid.scored("")) == ["en", "zh", "zh/news"]


def test_a_target_is_scored_beside_the_source_alone(read: Read) -> None:
    text = FULL.replace("zh/news: news.json", "fr: news.json").replace("unlabelled: {", "unlabelled: {fr: more.json, ")
    grid = read(text, "en", "fr")
    assert grid.targets == ("zh", "fr")
    assert (list(grid.scored("fr")), list(grid.scored(""))) == (["en", "fr"], ["en", "zh", "fr"])


@pytest.mark.parametrize(
    ("old", "new", "problem"),
    [
        ("sources: {en: {train: en.json}}", "sources: {en: {train: en.json}, zh: {train: zh.json}}", "one source"),
        ("zh: zh.json, zh/news: news.json}", "}", "a test set of another language than en"),
        ("text: {en: en.json, zh: zh.json}", "text: {en: en.json}", "the key text with a file of zh"),
        ("text: {en: en.json, zh: zh.json}", "text: en.json", "a path with `{language}`"),
        ("unlabelled: {zh: more.json}", "", "the key unlabelled with a set of zh"),
        ("label: both", "label: deep", "a label of its own"),
        ("moves: both", "moves: target", "moves: Expected one of source, both"),
        ("layer: 1, weight", "weight", "the key layer"),
        ("weight: 0.5", "weights: 0.5", "weights"),
        ("method: vecmap, moves", "moves", "the key method"),
    ],
)
def test_what_is_wrong_is_said(read: Read, old: str, new: str, problem: str) -> None:
    assert old in FULL
    with pytest.raises(StudyError, match=problem.replace("{", r"\{")):
        read(FULL.replace(old, new), "en", "fr")


def test_a_section_without_maps_and_discriminators_asks_nothing(read: Read) -> None:
    with pytest.raises(StudyError, match="the key maps or the key discriminators"):
        read("task: qa\nsources: {en: {train: en.json}}\ntest: {zh: zh.json}\n")


def test_a_row_depends_on_its_own_files_alone(read: Read, tmp_path: Path) -> None:
    grid = read(FULL)
    rows = (None, *grid.rows)

    def all_depend() -> list[dict[str, object]]:
        return [grid.depends(row, "zh" if row else "") for row in rows]

    before = all_depend()
    (tmp_path / "more.json").write_text("changed")
    assert [one == two for one, two in zip(before, all_depend(), strict=True)] == [True, True, True, False, False]
    (tmp_path / "en.json").write_text("changed")
    assert [one == two for one, two in zip(before, all_depend(), strict=True)] == [False] * 5


def test_the_study_has_the_rows_of_table_7() -> None:
    study = load_study(Path(__file__).resolve().parents[5] / "studies" / "aligned-fine-tuning.yaml")
    grid = study.sections["aligned_fine_tuning"]
    assert [row.label for row in grid.rows] == ["MUSE", "DeMa", "VecMap", "GAN-layer 8", "GAN-layer 11"]
    assert [row.layer for row in grid.rows if isinstance(row, DiscriminatorRow)] == [8, 11]
    assert (grid.task.task, grid.source, grid.targets) == ("qa", "en", ("zh",))
    # No question that is scored is among those that a discriminator sees, nor in the text of the maps.
    assert not set(grid.task.test.values()) & {*grid.unlabelled.values(), *grid.text.values()}

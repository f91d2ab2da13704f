"""Edits of a study reach all that it encodes, and its answers depend on their files."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from babelscope.calls.corpus.means import LayerMeans
from babelscope.errors import StudyError
from babelscope.study import Study, StudyResult

Read = Callable[..., Study]
Run = Callable[[Study], StudyResult]
EDIT = "interventions: [{layer: 1, languages: [fr], shift: {from: fr.npz, to: en.npz, alpha: 2}}]"


@pytest.fixture(autouse=True)
def _means(tmp_path: Path) -> None:
    for language, level in (("en", 3.0), ("fr", 1.0)):
        LayerMeans((0, 1, 2), np.full((3, 8), level), 10, 2, 0, "d-tiny").save(tmp_path / f"{language}.npz")


def test_texts_of_the_language_are_edited(section: Read, run: Run, mesh, tmp_path: Path) -> None:
    run(section(f"retrieval: {{}}\nlayer_grids: {{}}\n{EDIT}"))
    views = [call["views"] for name, call in mesh.calls if name in {"compare", "retrieve"}]
    assert len(views) == 3
    for each in views:
        for name, view in each.items():
            assert len(view.interventions) == (name == "fr")
    (edit,) = views[0]["fr"].interventions
    assert (edit.layer, edit.shift.alpha) == (1, 2.0)
    np.testing.assert_array_equal(edit.shift.vector, np.full(8, 2.0))
    calls = len(mesh.calls)
    run(section(f"retrieval: {{}}\nlayer_grids: {{}}\n{EDIT}"))
    assert len(mesh.calls) == calls
    LayerMeans((0, 1, 2), np.zeros((3, 8)), 10, 2, 0, "d-tiny").save(tmp_path / "fr.npz")
    run(section(f"retrieval: {{}}\nlayer_grids: {{}}\n{EDIT}"))
    assert len(mesh.calls) == 2 * calls


@pytest.mark.parametrize(
    ("edit", "problem"),
    [
        (EDIT.replace("layer: 1", "layer: 3"), r"within 0\.\.2 for model tiny, but got 3"),
        (EDIT.replace("[fr]", "[xx]"), "interventions.*languages"),
        (EDIT.replace("fr.npz", "absent.npz"), "absent.npz"),
        ("interventions: [{layer: 1}]", "either the key shift or the key map"),
        ("interventions: [{layer: 1, map: en.npz}]", "Expected an edit of `interventions` in .*en.npz"),
    ],
)
def test_an_edit_that_cannot_be_made_is_named(section: Read, run: Run, edit: str, problem: str) -> None:
    with pytest.raises(StudyError, match=problem):
        run(section(edit))


def test_means_of_another_model_are_refused(section: Read, run: Run, tmp_path: Path) -> None:
    LayerMeans((0, 1, 2), np.zeros((3, 8)), 10, 2, 0, "other").save(tmp_path / "fr.npz")
    with pytest.raises(StudyError, match=r"fr\.npz to be computed with model tiny"):
        run(section(EDIT))
    with pytest.raises(StudyError, match="Expected the means of one model"):
        run(section(EDIT.replace("layer: 1", "layer: 1, allow_other_model: true")))
    LayerMeans((0, 1, 2), np.zeros((3, 8)), 10, 2, 0, "other").save(tmp_path / "en.npz")
    run(section(EDIT.replace("layer: 1", "layer: 1, allow_other_model: true")))

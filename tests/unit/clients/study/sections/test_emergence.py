"""Cells of a grid of pretraining: entered, waited for, measured, left out."""

import re
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from babelscope.data.jobs import JobFigure
from babelscope.data.jobs.sweep import SweepFigure
from babelscope.errors import StudyError
from babelscope.study import Overrides, Study, StudyResult, load_study, run_study
from babelscope.study.sections.emergence import SECTION, CellFound

from tests.support.pretrained import Kept
from tests.unit.clients.study.sections.conftest import ArithmeticMesh

EXTRA = """
retrieval: {similarities: [csls], centre: [false, true]}
emergence:
  text: {plain: "train.{language}.txt"}
  settings: {default: {}, none: {vocabulary: prefixed}}
  sizes: [5]
  seeds: [0, 1]
  vocabulary: {size: 50}
  model: {layers: 2, hidden_size: 8, max_tokens: 32}
  words: {dictionary: "en-{language}.tsv", targets: [fr]}
  fine_tuning: {tasks: {task: pos, sources: {en: {train: "train.{language}.txt"}}, test: {en: train.en.txt}}}
"""


class Trained(Kept):
    """The trainer, whose jobs end when they are waited for."""

    def __init__(self) -> None:
        super().__init__()
        self.ended: dict[str, str] = {}
        self.swept: list[dict[str, Any]] = []

    def wait_for_job(self, name: str, *, progress: Any = None) -> Any:
        """The end of a job."""
        figure = JobFigure("dev", "en", "en", "perplexity", "masked tokens", 20.0, 18.0, 22.0, 99, "perplexity")
        score = SweepFigure(
            "pos", "en", "fr", "", "eval", "accuracy", "all", "", "best", "s", 60.0, None, 55.0, 65.0, 1, None, None,
            "checkpoints/x", main=True,
        )  # fmt: skip
        at = name.removeprefix("jobs/")
        return SimpleNamespace(
            name=name, state=self.ended.get(name, "succeeded"), reason="no luck", checkpoint=f"checkpoints/{at}",
            figures=(figure,), sweep=(score,),
        )  # fmt: skip

    def sweep(self, model: Any, tasks: Any, **how: Any) -> Any:
        """Enters a sweep."""
        self.swept.append({"model": model, **how})
        return SimpleNamespace(name=f"jobs/s{len(self.swept)}", state="queued")


class Mesh(ArithmeticMesh):
    """All four clients."""

    def __init__(self) -> None:
        super().__init__()
        self.kept = Trained()

    @property
    def trainer(self) -> Trained:
        """The trainer."""
        return self.kept

    @property
    def datagen(self) -> Trained:
        """The datagen server."""
        return self.kept


@pytest.fixture
def mesh() -> Mesh:
    """A mesh that trains nothing."""
    return Mesh()


@pytest.fixture
def study(section: Callable[..., Study], tmp_path: Path) -> Callable[..., Study]:
    """Reads a study with a grid of four cells and no model of its own."""

    def read(only: tuple[str, ...] = (), **change: str) -> Study:
        for language in ("en", "fr"):
            (tmp_path / f"train.{language}.txt").write_text("".join(f"{language} {at}\n" for at in range(9)))
        (tmp_path / "en-fr.tsv").write_text("dog\tchien\n")
        section("", languages=("en", "fr"))
        text = (tmp_path / "study.yaml").read_text().replace("models: [tiny]\n", "") + EXTRA
        for old, new in change.items():
            text = re.sub(rf"^( *){old}: .*$", rf"\g<1>{old}: {new}", text, count=1, flags=re.MULTILINE)
        (tmp_path / "study.yaml").write_text(text)
        return load_study(tmp_path / "study.yaml", Overrides(only=only))

    return read


def _records(result: StudyResult) -> list[CellFound]:
    return list(SECTION.records(result))


def test_a_study_of_its_own_models_needs_no_other(study: Callable[..., Study], mesh: Mesh, tmp_path: Path) -> None:
    result = run_study(study(), mesh, tmp_path / "out")
    assert result.models == ()
    found = _records(StudyResult.read(tmp_path / "out" / "results.json"))
    assert [(each.setting, each.size, each.seed, each.run) for each in found] == [
        ("default", 5, 0, True), ("none", 5, 0, True), ("default", 5, 1, True), ("none", 5, 1, True),
    ]  # fmt: skip
    first = found[0]
    assert (first.checkpoint, first.digest, first.layers) == ("checkpoints/0", "d-checkpoints/0", 2)
    kinds = {each.kind: [one for one in first.figures if one.kind == each.kind] for each in first.figures}
    assert {kind: len(listed) for kind, listed in kinds.items()} == {
        "pretraining": 1,
        "similarity": 3,
        "retrieval": 3 * 2 * 2,  # layers, directions, centring
        "words": 3 * 2 * 2,  # layers, directions, similarities
        "transfer": 1,
    }
    assert {each.estimator for each in kinds["retrieval"]} == {"csls", "csls+centred"}
    assert kinds["transfer"][0].value == 60.0
    assert kinds["pretraining"][0].metric == "perplexity"
    # Every model is measured with the language of its texts, which a model with parts of its own must be told.
    asked = [views for name, call in mesh.calls if name == "compare" for views in [call["views"]]]
    assert [{view.model.name for view in views.values()} for views in asked] == [
        {f"checkpoints/{at}"} for at in range(4)
    ]
    assert {view.language for view in asked[0].values()} == {"en", "fr"}
    lines = (tmp_path / "out" / "results.csv").read_text().splitlines()
    assert sum(line.startswith("emergence/transfer,pos/accuracy") for line in lines) == 4


def test_cells_are_chosen_and_what_was_found_is_not_asked_again(
    study: Callable[..., Study], mesh: Mesh, tmp_path: Path
) -> None:
    result = run_study(study(("*/5/0",)), mesh, tmp_path / "out")
    assert [each.run for each in _records(result)] == [True, True, False, False]
    assert [each["seed"] for each in mesh.kept.entered] == [0, 0]
    whole = run_study(study(), mesh, tmp_path / "out")
    assert [each.run for each in _records(whole)] == [True] * 4
    assert _records(whole)[:2] == _records(result)[:2]
    assert [each["seed"] for each in mesh.kept.entered] == [0, 0, 1, 1]
    assert [step.reused for step in whole.steps[-4:]] == [True, True, False, False]


def test_a_second_run_takes_up_the_jobs_that_exist(study: Callable[..., Study], mesh: Mesh, tmp_path: Path) -> None:
    """Nothing of the first was kept but its jobs; what is measured has changed, what is trained has not."""
    run_study(study(), mesh, tmp_path / "out")
    run_study(study(retrieval="{similarities: [cosine]}"), mesh, tmp_path / "other")
    assert len(mesh.kept.entered) == 4
    assert len({each["entry"]["request_id"] for each in mesh.kept.entered}) == 4
    run_study(study(vocabulary="{size: 60}"), mesh, tmp_path / "third")
    assert len(mesh.kept.entered) == 8


@pytest.mark.parametrize(("together", "counts"), [("1", [1, 2, 3, 4]), ("3", [3, 4, 4, 4])])
def test_so_many_jobs_are_entered_at_once(
    study: Callable[..., Study], mesh: Mesh, tmp_path: Path, together: str, counts: list[int]
) -> None:
    entered = []
    waited = mesh.kept.wait_for_job

    def wait(name: str, *, progress: Any = None) -> Any:
        if "s" not in name.removeprefix("jobs/"):
            entered.append(len(mesh.kept.entered))
        return waited(name)

    mesh.kept.wait_for_job = wait  # type: ignore[method-assign]
    run_study(study(sizes=f"[5]\n  together: {together}"), mesh, tmp_path / "out")
    assert entered == counts


def test_a_job_that_fails_ends_the_study_with_its_reason(
    study: Callable[..., Study], mesh: Mesh, tmp_path: Path
) -> None:
    mesh.kept.ended["jobs/1"] = "failed"
    with pytest.raises(StudyError, match=r"`emergence` of none/5/0: jobs/1 has ended: failed\. no luck"):
        run_study(study(), mesh, tmp_path / "out")


def test_cells_are_those_of_a_grid(section: Callable[..., Study], tmp_path: Path) -> None:
    section("")
    with pytest.raises(StudyError, match="Expected the key emergence, whose cells are to be chosen"):
        load_study(tmp_path / "study.yaml", Overrides(only=("default/*",)))


def test_layers_are_not_drawn_anew_in_them(study: Callable[..., Study]) -> None:
    with pytest.raises(StudyError, match="fine_tuning: Expected fine-tuning of the models as they are"):
        study(fine_tuning="{random_init: ['1-2'], tasks: {task: pos, sources: {en: {train: a}}}}")

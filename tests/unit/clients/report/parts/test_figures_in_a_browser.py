"""The figures of the parts hold the numbers of the result, in a real browser."""

from pathlib import Path

import pytest
from babelscope.report import write_report
from babelscope.study.result import StudyResult
from babelscope.study.sections import emergence, layer_grids, maps, projection, token_translation, transfer, words

from tests.support import chromium

pytestmark = pytest.mark.browser
DATA = """((id) => document.getElementById(id).data.map(({type, name, x, y, z, text, error_y, meta}) =>
  ({type, name, x, y, z, text, error_y, meta: meta || ''})))"""
CHANGE = """((id, value) => { const field = document.getElementById(id); field.value = value;
  field.dispatchEvent(new Event('change', {bubbles: true}));
  field.dispatchEvent(new Event('input', {bubbles: true})); })"""
FRAMED = """document.getElementById('fig-grid').layout.shapes.map(({x0, x1, y0, y1}) =>
  [Math.round((y0 + y1) / 2), Math.round((x0 + x1) / 2)])"""
MENU = "((id) => [...document.getElementById(id).options].map((each) => each.text))"


@pytest.fixture(scope="module")
def written(whole: StudyResult, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The page of a result that has everything."""
    return write_report(whole, tmp_path_factory.mktemp("report"))


def opening(page: chromium.Page, written: Path) -> None:
    page.events.clear()
    page.size(1200, 900)
    page.open(written.as_uri())
    assert page.run("document.documentElement.dataset.ready") == "true"


@pytest.fixture(scope="module")
def opened(page: chromium.Page, written: Path) -> Path:
    """The page, opened once: each test has a figure of its own to change."""
    opening(page, written)
    return written


def text(page: chromium.Page, name: str) -> str:
    return str(page.run(f"document.getElementById('{name}').textContent"))


def test_a_grid_by_its_measure_and_pair(page: chromium.Page, opened: Path, whole: StudyResult) -> None:
    french, japanese, distance = layer_grids.SECTION.records(whole)
    assert page.run(f"{MENU}('grid-measure')") == ["CKA, debiased", "Procrustes, distance"]
    assert page.run(f"{MENU}('grid-pair')") == ["English – French", "English – Japanese"]
    (drawn,) = page.run(f"{DATA}('fig-grid')")
    assert drawn["z"] == [[pytest.approx(value, abs=5e-6) for value in row] for row in french.values]
    assert (drawn["x"], drawn["y"]) == (["emb", "1", "2", "3"], ["emb", "1", "2"])
    assert page.run(FRAMED) == [[0, 0], [1, 1], [2, 2]]
    assert "n = 200" in text(page, "grid-caption")
    assert "Chance: 0.001." in text(page, "grid-caption")
    page.run(f"{CHANGE}('grid-pair', 'English – Japanese')")
    assert page.run(f"{DATA}('fig-grid')")[0]["z"][2][3] == pytest.approx(japanese.values[2][3], abs=5e-6)
    # Of a distance the least is the nearest.
    page.run(f"{CHANGE}('grid-measure', 'Procrustes, distance')")
    (drawn,) = page.run(f"{DATA}('fig-grid')")
    assert drawn["z"][0] == [pytest.approx(value, abs=5e-6) for value in distance.values[0]]
    assert page.run(FRAMED) == [[0, 3], [1, 3], [2, 0]]
    assert page.complaints(opened.as_uri()) == []


def test_transfer_with_its_line_and_coefficients(page: chromium.Page, opened: Path, whole: StudyResult) -> None:
    first, second, mean, other = transfer.SECTION.records(whole)
    line, points = page.run(f"{DATA}('fig-transfer')")
    # The page opens on the mean over layers, which nobody picked.
    assert points["x"] == [each.similarity for each in mean.points]
    assert points["y"] == [each.transfer for each in mean.points]
    assert points["text"] == ["en–fr", "en–ru", "en–ja", "en–xx"]
    assert line["y"] == pytest.approx([48 + 30 * x for x in line["x"]])
    assert line["x"] == [min(points["x"]), max(points["x"])]
    caption = text(page, "transfer-caption")
    assert (
        "Spearman’s ρ 0.650 [0.100, 0.900], p < 0.001; Pearson’s r −0.200 [−0.700, 0.400], p = 0.510; n = 4" in caption
    )
    assert "Source of the transfer scores: a table of somebody." in caption
    chance, course = page.run(f"{DATA}('fig-transfer-layers')")
    assert chance["y"] == [0, 0]
    assert (course["x"], course["y"]) == ([0, 1], [first.correlations[0].value, second.correlations[0].value])
    assert course["error_y"]["arrayminus"] == pytest.approx(
        [each.correlations[0].value - 0.1 for each in (first, second)]
    )
    page.run(f"{CHANGE}('transfer-method', 'Pearson’s r')")
    assert page.run(f"{DATA}('fig-transfer-layers')")[1]["y"] == [-0.2, -0.2]
    page.run(f"{CHANGE}('transfer-layer', 'layer 1')")
    assert page.run(f"{DATA}('fig-transfer')")[1]["x"] == [each.similarity for each in second.points]
    page.run(f"{CHANGE}('transfer-name', 'LAS')")
    assert page.run(f"{DATA}('fig-transfer')")[1]["x"] == [each.similarity for each in other.points]
    # One layer has no course.
    assert page.run("document.getElementById('transfer-layers').hidden") is True
    assert page.complaints(opened.as_uri()) == []


def test_sentences_by_layer_and_language(page: chromium.Page, opened: Path, whole: StudyResult) -> None:
    first, last = projection.SECTION.records(whole)
    for position, layer in (("0", first), ("1", last)):
        page.run(f"{CHANGE}('projection-layer', '{position}')")
        drawn = page.run(f"{DATA}('fig-projection')")
        assert [each["name"] for each in drawn] == ["English", "French", "Japanese"]
        for cloud, each in zip(layer.clouds, drawn, strict=True):
            assert each["x"] == pytest.approx([row[0] for row in cloud.coordinates], rel=1e-4)
            assert each["y"] == pytest.approx([row[1] for row in cloud.coordinates], rel=1e-4)
            assert each["text"] == ["s1", "s2", "s3"]
    axis = page.run("document.getElementById('fig-projection').layout.xaxis.title.text")
    assert axis == "axis 1 (70.0 % of the variance)"
    assert text(page, "projection-layer-name") == "layer 3"
    assert "3 sentences of each of 3 languages" in text(page, "projection-caption")
    colours = page.run("document.getElementById('fig-projection').data.map((each) => each.marker.color)")
    assert len(set(colours)) == 3
    assert page.complaints(opened.as_uri()) == []


def test_words_by_dictionary_and_measure(page: chromium.Page, opened: Path, whole: StudyResult) -> None:
    french, japanese = words.SECTION.records(whole)
    chance, there, back = page.run(f"{DATA}('fig-words')")
    assert (chance["x"], chance["y"]) == ([0, 3], [0.0125, 0.0125])
    assert (there["name"], back["name"]) == ("English → French", "French → English")
    assert there["y"] == [row.value for row in french.rows[:2]]
    assert back["y"] == [row.value for row in french.rows[2:4]]
    assert back["error_y"]["array"] == [row.high - row.value for row in french.rows[2:4]]
    assert "90 of 120 source words of the dictionary have a translation among the 80 candidates" in text(
        page, "words-caption"
    )
    page.run(f"{CHANGE}('words-name', 'English → Japanese, en-ja.tsv')")
    page.run(f"{CHANGE}('words-measure', 'MRR, CSLS')")
    assert page.run(f"{DATA}('fig-words')")[1]["y"] == [row.value for row in japanese.rows[4:6]]
    assert page.complaints(opened.as_uri()) == []


def test_settings_of_pretraining_by_layer(page: chromium.Page, opened: Path, whole: StudyResult) -> None:
    first, second, other, _ = emergence.SECTION.records(whole)
    assert page.run(f"{MENU}('emergence-measure')") == ["similarity: CKA, debiased", "sentences: P@1, CSLS"]
    chance, default, none = page.run(f"{DATA}('fig-emergence')")
    values = [
        [figure.value for figure in each.figures if figure.kind == "similarity"] for each in (first, second, other)
    ]
    assert chance["y"] == pytest.approx([0.005] * 3)
    assert (default["name"], none["name"]) == ("default", "no anchors &lt;0&gt;")
    assert default["y"] == pytest.approx([(one + two) / 2 for one, two in zip(*values[:2], strict=True)])
    assert default["error_y"]["array"] == pytest.approx([0.1 / 2**0.5] * 3)
    assert none["y"] == pytest.approx(values[2])
    assert "500 texts a language" in text(page, "emergence-caption")
    assert page.complaints(opened.as_uri()) == []


def test_the_course_of_maps_and_what_they_find(page: chromium.Page, opened: Path, whole: StudyResult) -> None:
    listed = maps.SECTION.records(whole)
    lines = page.run(f"{DATA}('fig-map-course')")
    assert [each["name"] for each in lines] == ["layer 1, seed 0", "layer 3, seed 0"]
    assert [each["y"] for each in lines] == [list(each.trace) for each in listed[:2]]
    page.run(f"{CHANGE}('map-course-method', 'muse')")
    lines = page.run(f"{DATA}('fig-map-course')")
    assert [each["name"] for each in lines] == ["layer 1, seed 0", "layer 1, seed 1", "layer 3, seed 0"]
    assert lines[1]["y"] == list(listed[3].trace)
    assert lines[1]["x"] == [1, 2, 3]
    chance, plain, procrustes, muse = page.run(f"{DATA}('fig-map-found')")
    assert (chance["x"], chance["y"]) == ([1, 3], [0.01, 0.01])
    assert plain["y"] == pytest.approx([0.22, 0.26])
    assert procrustes["y"] == pytest.approx([0.52, 0.56])
    # Two seeds at layer 1: their mean; the map of layer 3 is not affine and was not measured.
    assert (muse["x"], muse["y"]) == ([1], [pytest.approx((0.52 + 0.53) / 2)])
    assert muse["error_y"]["array"] == [pytest.approx(0.7 - 0.525)]
    assert "Candidates: 100 unseen sentences; chance is 1.0 %" in text(page, "map-found-caption")
    assert page.complaints(opened.as_uri()) == []


def test_bands_are_the_intervals_and_the_chance_level(page: chromium.Page, opened: Path, whole: StudyResult) -> None:
    """The curves by layer: the band of a language is its interval, the grey one chance ± 2 standard deviations."""
    drawn = page.run(f"{DATA}('fig-similarity')")
    rows = [row for row in whole.rows if (row.metric, row.estimator, row.reinit, row.source, row.target) ==
            ("cka", "debiased", "", "en", "fr")]  # fmt: skip
    bands = [each["y"] for each in drawn if each["meta"] == "band"]
    assert [row.high for row in rows] + [row.low for row in rows][::-1] in bands
    grey = bands[0]
    assert grey == pytest.approx([0.001 + 0.008] * 7 + [0.001 - 0.008] * 7)
    assert "chance" in [each["name"] for each in drawn]


def test_token_translation_by_factor_and_by_layer(page: chromium.Page, opened: Path, whole: StudyResult) -> None:
    french, _ = token_translation.SECTION.records(whole)
    assert page.run(f"{MENU}('translation-name')") == ["English → French", "French → English"]
    assert page.run(f"{MENU}('translation-by')") == ["Factor of the shift", "Layer of the shift"]
    plain, *lines = page.run(f"{DATA}('fig-translation')")
    assert plain["y"] == [french.plain.value("convert_rate")] * 3
    assert [(line["name"], line["x"]) for line in lines] == [("embeddings", [1, 2, 3]), ("layer 3", [2, 3])]
    assert lines[1]["y"] == [french.at(3, alpha).value("convert_rate") for alpha in (2.0, 3.0)]
    page.run(f"{CHANGE}('translation-measure', 'BLEU-1')")
    page.run(f"{CHANGE}('translation-by', 'Layer of the shift')")
    plain, *lines = page.run(f"{DATA}('fig-translation')")
    assert [(line["name"], line["x"]) for line in lines] == [("by 1", [0, 3]), ("by 2", [0, 3]), ("by 3", [0, 3])]
    assert lines[2]["y"] == [french.at(layer, 3.0).value("bleu1") for layer in (0, 3)]
    assert "n = 38 texts" in text(page, "translation-caption")
    assert page.complaints(opened.as_uri()) == []


def test_tables_of_figures_theme_and_narrow_screens(page: chromium.Page, written: Path) -> None:
    opening(page, written)
    page.run("document.querySelectorAll('details').forEach((each) => { each.open = true; })")
    page.run("new Promise((done) => setTimeout(done, 50))")
    rows = """((id) => [...document.querySelectorAll(`details[data-table=${id}] tr`)].map((row) =>
      [...row.children].map((cell) => cell.textContent)))"""
    assert page.run(f"{rows}('fig-transfer')")[:2] == [
        ["", "CKA, debiased, mean over layers", "F1"], ["en–fr", "0.0500", "50.0000"]
    ]  # fmt: skip
    assert page.run(f"{rows}('fig-transfer-layers')")[0] == ["", "emb", "1"]
    assert page.run(f"{rows}('fig-grid')")[1][:3] == ["emb", "0.8000", "0.7000"]
    assert page.run(f"{rows}('fig-similarity')")[0] == ["", "emb", *map(str, range(1, 7))]
    page.run("document.getElementById('theme').click()")
    page.size(400, 800)
    width = "new Promise((done) => setTimeout(() => done(document.documentElement.scrollWidth), 300))"
    assert page.run(width) <= 400
    assert page.complaints(written.as_uri()) == []

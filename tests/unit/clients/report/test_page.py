"""The page as text, and the figures."""

import base64
import hashlib
import html
import json
import re
from pathlib import Path
from xml.etree import ElementTree

import pytest
from babelscope.report import write_report
from babelscope.report.build import render
from babelscope.report.guide import guide, label, meaning
from babelscope.report.names import language_name, metric_name
from babelscope.report.numbers import LayerMeasure, Numbers
from babelscope.report.payload import payload
from babelscope.study.result import StudyResult


@pytest.fixture(scope="module")
def text() -> dict[str, str]:
    """The page, rendered once."""
    return {}


@pytest.fixture
def page(result: StudyResult, text: dict[str, str]) -> str:
    if not text:
        text["page"] = render(result)
    return text["page"]


def test_nothing_is_loaded_from_anywhere(page: str) -> None:
    body = re.sub(r"<script>.*?</script>", "", page, flags=re.DOTALL)
    assert "http" not in re.sub(r"http-equiv", "", body)
    assert not re.search(r"\b(src|href)=\"(?!data:)", body)
    policy = re.search(r'Content-Security-Policy" content="([^"]+)"', page)
    assert policy is not None
    allowed = html.unescape(policy[1])
    assert allowed.startswith("default-src 'none'; script-src 'sha256-")
    scripts = re.findall(r"<script>(.*?)</script>", page, flags=re.DOTALL)
    assert len(scripts) == 2
    for script in scripts:
        digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
        assert f"'sha256-{digest}'" in allowed


def test_the_study_s_words_are_escaped(page: str) -> None:
    body = re.sub(r"<script.*?</script>", "", page, flags=re.DOTALL)
    assert "&lt;/script&gt; in a title &lt;b&gt;harmless&lt;/b&gt; &amp; well shown?" in body
    assert "<b>harmless</b>" not in page


def test_the_data_come_back_as_they_are(page: str, result: StudyResult) -> None:
    data = re.search(r'<script id="data" type="application/json">(.*?)</script>', page, flags=re.DOTALL)
    assert data is not None
    assert json.loads(data[1]) == json.loads(json.dumps(payload(result, Numbers(result))))
    series = json.loads(data[1])["models"][0]["series"]["cka/debiased"][""]["en fr"]
    rows = [row for row in result.rows if (row.metric, row.estimator, row.reinit, row.source, row.target) ==
            ("cka", "debiased", "", "en", "fr")]  # fmt: skip
    assert series["v"] == [row.value for row in rows]
    assert series["lo"] == [row.low for row in rows]
    assert series["n"] == 200


def test_a_reader_is_told_what_to_know_first(page: str) -> None:
    assert "made-up/encoder was used in place of bert-base-multilingual-cased." in page
    assert "All results below are those of made-up/encoder, not of mBERT." in page
    assert "Missing sentences:</strong> xx 2." in page
    assert "Chance level, from 200 sentences shuffled: 0.001, by layer and pair." in page
    assert "Chance level of P@1 among 200 sentences: 0.50 %." in page
    assert "metric:cka|est:debiased|pair:en-fr" in page
    assert "n = 200 is below 10 x 120 directions" in page


def test_figures_are_well_formed_and_the_same_each_time(result: StudyResult, tmp_path: Path) -> None:
    write_report(result, tmp_path / "a")
    write_report(result, tmp_path / "b")
    names = sorted(path.name for path in (tmp_path / "a" / "figures").iterdir())
    assert names == [f"made-up-encoder.{each}.svg" for each in
                     ("layers-by-languages", "random-init", "retrieval", "similarity")]  # fmt: skip
    for name in names:
        first = (tmp_path / "a" / "figures" / name).read_bytes()
        assert ElementTree.fromstring(first).tag.endswith("svg")
        assert first == (tmp_path / "b" / "figures" / name).read_bytes()


@pytest.mark.parametrize(
    ("tag", "name"),
    [
        ("de", "German"),
        ("zh-Hant", "Chinese (Hant)"),
        ("xx", "xx"),
        ("swh", "Swahili"),
        ("cmn", "Chinese"),
        ("yue", "Cantonese"),
        ("zh_CN", "Chinese (CN)"),
        ("PT-br", "Portuguese (BR)"),
        ("eng_Latn", "English"),
        ("en2", "en2"),
        ("", ""),
    ],
)
def test_language_names(tag: str, name: str) -> None:
    assert language_name(tag) == name


def test_measures_are_named_and_explained() -> None:
    assert metric_name("cka", "biased") == "CKA, biased"
    assert label(LayerMeasure("retrieval", "p@1", "csls", centred=True)) == "P@1, CSLS, centred"
    assert label(LayerMeasure("similarity", "cosine", "mean")) == "Cosine"
    assert guide(LayerMeasure("retrieval", "p@10", "cosine")).title == "Precision at k"
    assert meaning(LayerMeasure("retrieval", "mrr", "csls", centred=True)).endswith("mean is subtracted first.")
    assert guide(LayerMeasure("similarity", "new", "kind")).title == "new, kind"

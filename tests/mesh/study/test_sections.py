"""A study with every section on real servers, and its report in a browser."""

import csv
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import scipy.stats
from babelscope.corpora import WordPairs
from babelscope.local.mesh import LocalMesh
from babelscope.report import write_report
from babelscope.study import StudyResult, load_study, run_study
from babelscope.study.sections import SECTIONS
from babelscope.study.sections.word_maps import split
from babelscope.study.sections.words import WordsFound
from transformers import AutoModel, AutoTokenizer

from tests.support import chromium
from tests.support.models import WORDS, make_root

pytestmark = pytest.mark.slow
CLOSE = 2e-4
LANGUAGES = ("en", "fr", "de", "sw")

EXTRA = """
layer_grids:
  - {pairs: sources, measures: [cka]}
  - {pairs: same, measures: [cka], models: [tiny, other]}
projection: [{sentences: 100}, {rows: tokens, layers: [2], sentences: 5}]
words:
  - {dictionary: "en-{language}.tsv", targets: [fr], words: 12}
  - {dictionary: "en-{language}.tsv", targets: [fr], contexts: "{language}.txt", layers: [2]}
  - {dictionary: "en-{language}.tsv", targets: [fr], contexts: "{language}.txt", layers: [1, 2], map: {holdout: 0.4}}
  - {dictionary: "en-{language}.tsv", targets: [fr], layers: [0], map: {}}
  - {dictionary: "en-{language}.tsv", targets: [fr], embedding_table: true}
  - {dictionary: "en-{language}.tsv", targets: [fr], embedding_table: true, map: {holdout: 0.4}}
spans: {questions: "qa.{language}.json", name: EM, measures: [cosine, svcca], scores: [{scores}]}
maps:
  - {method: procrustes, options: {normalisation: centre, refinements: 2}, seeds: [0, 1], layers: [1, 2]}
token_translation: {from: en, to: [fr, sw], models: other, layers: [1, 2], alphas: [1, 3]}
transfer:
  - {name: P@1 by CSLS, retrieval: {metric: p@1, estimator: csls}, measures: [cka], methods: [spearman, kendall]}
scores: {score: nli, name: labels, predictions: "said.{language}.tsv", gold: "gold.{language}.tsv", languages: [fr, sw]}
anova:
  - {name: F1, factor: corpus, groups: {English: [76.4, 71.4, 64.9], Chinese: [39.8, 44.1, 42.6]}}
"""


TRAINED = {"fine_tuning", "fine_tuned", "gap", "emergence", "aligned_fine_tuning"}
"""Sections that need a trainer, asked for in `tests/mesh/trainer/test_studies.py` and `test_aligned_studies.py`."""


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """The result and its folder, found once."""
    return {"folder": tmp_path_factory.mktemp("out")}


@pytest.fixture
def run(mesh: LocalMesh, corpus: Callable[..., Path], study: dict[str, Any]) -> tuple[StudyResult, Path]:
    folder: Path = study["folder"]
    if "result" not in study:
        pairs = [(one, two) for one in LANGUAGES for two in LANGUAGES if one < two]
        figures = [f"{{source: {one}, target: {two}, score: {at}}}" for at, (one, two) in enumerate(pairs)]
        path = corpus(EXTRA.replace("{scores}", ", ".join(figures)))
        text = path.read_text().replace("models: [tiny]", "models: [tiny, other]\npairs: all")
        text = text.replace("languages: [en, fr, sw]", "languages: [en, fr, de, sw]")
        (path.parent / "de.txt").write_text(_between(path.parent))
        text = text.replace("retrieval: {similarities: [cosine, csls]}", "retrieval: {pairs: all}")
        path.write_text(text.replace("random_init: {groups: pairs, seeds: [1]}\n", ""))
        for language in LANGUAGES:
            lines = (path.parent / f"{language}.txt").read_text().splitlines()[:40]
            texts = [line.split("\t")[-1] for line in lines]
            paragraphs = [
                {
                    "context": one,
                    "qas": [{"id": f"q{n}", "question": "?", "answers": [{"text": one.split()[0], "answer_start": 0}]}],
                }
                for n, one in enumerate(texts)
            ]
            (path.parent / f"qa.{language}.json").write_text(
                json.dumps({"data": [{"title": "", "paragraphs": paragraphs}]})
            )
        dictionary = "".join(f"{one}\t{other}\n" for one, other in zip(WORDS, [*WORDS[1:], "absent"], strict=True))
        (path.parent / "en-fr.tsv").write_text(dictionary)
        for language, wrong in (("fr", 3), ("sw", 8)):
            head = "premise\thypothesis\tlabel\n"
            gold = ["yes" if at % 2 else "no" for at in range(20)]
            said = ["yes" if at < wrong else label for at, label in enumerate(gold)]
            for name, labels in (("gold", gold), ("said", said)):
                body = "".join(f"p{at}\th{at}\t{label}\n" for at, label in enumerate(labels))
                (path.parent / f"{name}.{language}.tsv").write_text(head + body)
        design = load_study(path)
        study["result"] = run_study(design, mesh, folder)
        # Nothing is asked twice: what was found done is what was found.
        again = run_study(design, mesh, folder)
        assert all(step.reused for step in again.steps)
        study["again"] = again
    return study["result"], folder


def _between(folder: Path) -> str:
    """A language between French and Swahili: every second sentence of either."""
    french, swahili = ((folder / f"{tag}.txt").read_text().splitlines(keepends=True) for tag in ("fr", "sw"))
    return "".join(swahili[at] if at % 2 else line for at, line in enumerate(french))


def records(result: StudyResult, key: str) -> Any:
    return next(section for section in SECTIONS if section.key == key).records(result)


def test_every_section_is_answered_and_comes_back(run: tuple[StudyResult, Path], study: dict[str, Any]) -> None:
    result, folder = run
    assert set(result.sections) == {section.key for section in SECTIONS} - TRAINED
    back = StudyResult.read(folder / "results.json")
    for section in SECTIONS:
        assert section.records(back) == section.records(result) == section.records(study["again"])
    with (folder / "results.csv").open(newline="") as file:
        kinds = {line["kind"] for line in csv.DictReader(file)}
    assert kinds >= {
        "similarity",
        "retrieval",
        "layer_grid",
        "projection",
        "words",
        "map",
        "token_translation",
        "transfer",
        "score",
        "anova",
    }


def test_the_diagonal_of_a_grid_is_the_curve_by_layer(run: tuple[StudyResult, Path]) -> None:
    result, _ = run
    grids = [each for each in records(result, "layer_grids") if each.source_model == each.target_model]
    assert {(each.source_model, each.target) for each in grids} == {
        (model, language) for model in ("tiny", "other") for language in ("fr", "de", "sw")
    }
    for grid in grids:
        curve = {row.layer: row for row in result.rows if (row.metric, row.estimator, row.model, row.source, row.target)
                 == ("cka", "debiased", grid.source_model, "en", grid.target)}  # fmt: skip
        for at, layer in enumerate(grid.source_layers):
            assert grid.values[at][at] == pytest.approx(curve[layer].value, abs=CLOSE)
            assert grid.null_sd[at][at] == pytest.approx(curve[layer].null_sd, abs=CLOSE)
            assert grid.low[at][at] < grid.values[at][at] < grid.high[at][at]
    across = [each for each in records(result, "layer_grids") if each.source_model != each.target_model]
    assert [(each.source, each.target) for each in across] == [(tag, tag) for tag in ("en", "fr", "de", "sw")]


def test_transfer_is_the_study_s_own_retrieval(run: tuple[StudyResult, Path]) -> None:
    result, _ = run
    found = [each for each in records(result, "transfer") if each.model == "tiny"]
    assert [each.layer for each in found] == [0, 1, 2, None]
    for each in found:
        assert len(each.points) == 6
        x, y = [point.similarity for point in each.points], [point.transfer for point in each.points]
        spearman = next(one for one in each.correlations if one.method == "spearman")
        assert spearman.value == pytest.approx(scipy.stats.spearmanr(x, y).statistic, abs=1e-9)
        assert spearman.low <= spearman.value <= spearman.high
        assert np.polyfit(x, y, 1) == pytest.approx([each.slope, each.intercept])


def test_answers_of_parallel_questions_against_transfer(run: tuple[StudyResult, Path]) -> None:
    result, _ = run
    found = records(result, "spans")
    assert {(each.model, each.metric) for each in found} == {
        (model, metric) for model in ("tiny", "other") for metric in ("cosine", "svcca")
    }
    assert all(len(each.points) == 6 for each in found)


def test_a_projection_is_of_all_languages_together(run: tuple[StudyResult, Path]) -> None:
    result, _ = run
    found = records(result, "projection")
    assert [(each.rows, each.model, each.layer) for each in found if each.rows == "tokens"] == [
        ("tokens", "tiny", 2), ("tokens", "other", 2)
    ]  # fmt: skip
    for each in (each for each in found if each.rows == "sentences"):
        assert [(cloud.language, len(cloud.ids)) for cloud in each.clouds] == [
            (tag, 100) for tag in ("en", "fr", "de", "sw")
        ]
        whole = np.concatenate([cloud.coordinates for cloud in each.clouds])
        assert whole.mean(axis=0) == pytest.approx([0, 0], abs=1e-4)
        spread = whole.var(axis=0)
        assert each.explained[0] >= each.explained[1] > 0
        assert spread[0] / spread[1] == pytest.approx(each.explained[0] / each.explained[1], rel=1e-3)


def test_maps_are_measured_on_unseen_sentences(run: tuple[StudyResult, Path]) -> None:
    result, _ = run
    found = records(result, "maps")
    assert len(found) == 2 * 3 * 2 * 2  # models, pairs, seeds, layers
    for each in found:
        assert len(each.trace) == 3
        assert each.fitted + each.precision[0].n == 400
        assert 0 < each.right <= each.induced
        assert {(one.mapped, one.estimator) for one in each.precision} == {
            (mapped, similarity) for mapped in (False, True) for similarity in ("cosine", "csls")
        }
    # Procrustes draws nothing: another seed gives the same map.
    assert found[0].trace == pytest.approx(found[2].trace)
    french = next(each for each in found if (each.model, each.target, each.layer) == ("tiny", "fr", 2))
    gained = {one.mapped: one for one in french.precision if (one.estimator, one.source) == ("csls", "en")}
    assert gained[True].value > 5 * gained[True].null_mean


def test_words_are_looked_for_among_the_words_of_the_dictionary(run: tuple[StudyResult, Path]) -> None:
    result, _ = run
    hidden = [each for each in records(result, "words") if not each.embedding_table]
    alone, within = (
        [each for each in hidden if each.contexts is contexts and "mapped" not in each.dictionary]
        for contexts in (False, True)
    )
    mapped = [each for each in hidden if "mapped" in each.dictionary]
    assert {(each.contexts, *{row.layer for row in each.rows}) for each in mapped} == {(True, 1, 2), (False, 0)}
    for each in mapped:
        assert 0 < each.covered <= each.sources < 16
    for each in within:
        assert 0 < each.covered <= each.sources == 16
        assert {row.layer for row in each.rows} == {2}
    for each in alone:
        assert (each.pairs, each.sources, each.covered, each.candidates) == (12, 12, 12, 12)
        assert {row.metric for row in each.rows} == {"p@1", "p@5", "p@10", "mrr"}
        assert {(row.source, row.target) for row in each.rows} == {("en", "fr"), ("fr", "en")}
        first = next(row for row in each.rows if row.metric == "p@1")
        assert first.null_mean == pytest.approx(1 / 12)


def _mrr(found: WordsFound) -> float:
    """By cosine, from English."""
    return next(row.value for row in found.rows if (row.metric, row.estimator, row.source) == ("mrr", "cosine", "en"))


def test_words_of_the_embedding_table(run: tuple[StudyResult, Path], tmp_path: Path) -> None:
    result, _ = run
    root = make_root(tmp_path)
    found = [each for each in records(result, "words") if each.embedding_table]
    plain, mapped = ([each for each in found if ("mapped" in each.dictionary) is moved] for moved in (False, True))
    assert {each.model for each in plain} == {each.model for each in mapped} == {"tiny", "other"}
    for each in found:
        assert {(row.layer, row.pooling) for row in each.rows} == {(0, "embedding_table")}
        # All words but the last translation, `absent`, are one piece.
        assert (each.candidates, each.left_out) == (15, 1)
    assert {(each.sources, each.covered) for each in plain} == {(16, 15)}
    for each in plain:
        table = AutoModel.from_pretrained(root / each.model).get_input_embeddings().weight.detach().numpy()
        rows = table[AutoTokenizer.from_pretrained(root / each.model).convert_tokens_to_ids(WORDS)]
        rows = rows / np.linalg.norm(rows, axis=1, keepdims=True)
        # The candidates are all words but the first; the translation of a word is the one after it.
        cosines = rows[:-1] @ rows[1:].T
        ranks = (cosines >= np.diag(cosines)[:, None]).sum(1)
        assert _mrr(each) == pytest.approx((1 / ranks).mean(), abs=1e-6)
    pairs = WordPairs(tuple(zip(WORDS, [*WORDS[1:], "absent"], strict=True)))
    for each in mapped:
        assert each.sources == len(split(pairs, 0.4)[1].pairs)
        assert _mrr(each) != _mrr(next(other for other in plain if other.model == each.model))


def test_scores_and_variance(run: tuple[StudyResult, Path]) -> None:
    result, _ = run
    for each, wrong in zip(records(result, "scores"), (3, 8), strict=True):
        accuracy = next(figure for figure in each.figures if figure.metric == "accuracy")
        mistakes = (wrong + 1) // 2  # every second of the first labels was `no`
        assert accuracy.value == pytest.approx(100 * (20 - mistakes) / 20)
        cells = {(one.left, one.right): one.value for one in each.figures if one.metric == "confusion"}
        assert cells["no", "yes"] == mistakes
    (analysis,) = records(result, "anova")
    expected = scipy.stats.f_oneway([76.4, 71.4, 64.9], [39.8, 44.1, 42.6])
    assert (analysis.f, analysis.p_value) == pytest.approx((expected.statistic, expected.pvalue))


@pytest.mark.browser
def test_the_report_draws_what_was_found(run: tuple[StudyResult, Path], tmp_path: Path) -> None:
    result, _ = run
    path = write_report(result, tmp_path / "report")
    with chromium.browser_or_skip(tmp_path / "profile") as page:
        page.size(1200, 900)
        page.open(path.as_uri())
        assert page.run("document.documentElement.dataset.ready") == "true"
        drawn = "((id) => document.getElementById(id).data.map(({x, y, z, name}) => ({x, y, z, name})))"
        grid = records(result, "layer_grids")[0]
        shown = page.run(f"{drawn}('fig-grid')")[0]["z"]
        assert shown == [[pytest.approx(value, abs=5e-6) for value in row] for row in grid.values]
        mean = next(each for each in records(result, "transfer") if each.layer is None)
        points = page.run(f"{drawn}('fig-transfer')")[1]
        assert points["x"] == [point.similarity for point in mean.points]
        assert points["y"] == [point.transfer for point in mean.points]
        # The page opens on the highest layer of the first model.
        cloud = records(result, "projection")[2].clouds[3]
        swahili = page.run(f"{drawn}('fig-projection')")[3]
        assert swahili["name"] == "Swahili"
        assert swahili["x"] == pytest.approx([row[0] for row in cloud.coordinates], rel=1e-4)
        course = page.run(f"{drawn}('fig-map-course')")
        assert course[0]["y"] == list(records(result, "maps")[0].trace)
        page.run("document.querySelectorAll('details').forEach((each) => { each.open = true; })")
        page.size(400, 800)
        width = "new Promise((done) => setTimeout(() => done(document.documentElement.scrollWidth), 400))"
        assert page.run(width) <= 400
        assert page.complaints(path.as_uri()) == []

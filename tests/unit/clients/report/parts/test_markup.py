"""What the parts say without a script: captions, tables, guides."""

import json
import re
from dataclasses import replace
from pathlib import Path
from xml.etree import ElementTree

import pytest
from babelscope.report.build import render
from babelscope.report.figures import write_figures
from babelscope.report.parts import PARTS
from babelscope.study.result import StudyResult
from babelscope.study.sections import SECTIONS


@pytest.fixture
def text(whole: StudyResult) -> str:
    return re.sub(r"<script>.*?</script>", "", render(whole), flags=re.DOTALL)


def test_every_section_has_a_part() -> None:
    assert {part.section.key for part in PARTS} == {section.key for section in SECTIONS}


def test_a_part_is_there_only_where_the_study_has_data(whole: StudyResult, text: str) -> None:
    for part in PARTS:
        key = part.section.key
        heading = f'<h2 id="h-{key.replace("_", "-")}">{part.title}</h2>'
        assert heading in text
        without = replace(whole, sections={name: each for name, each in whole.sections.items() if name != key})
        less = render(without)
        assert heading not in less
        if part.script:
            assert f"sections.{key} = " in render(whole)
            assert f"sections.{key} = " not in less


def test_every_figure_is_described_and_has_its_numbers(text: str) -> None:
    plots = re.findall(r'<div id="(fig-[a-z-]+)" class="plot" role="img" aria-label="([^"]+)"', text)
    assert len(plots) >= 8
    for name, description in plots:
        assert "table" in description
        assert f'<details data-table="{name}">' in text


def test_every_guide_has_its_chance_level(text: str) -> None:
    guides = text[text.index('<div class="guides">') :]
    for title in (
        "Maps between languages",
        "Principal components",
        "Correlation with transfer",
        "NLI accuracy",
        "Analysis of variance",
        "Procrustes distance",
    ):
        card = guides[guides.index(f"<h3>{title}</h3>") :].split("</div>")[0]
        chance = re.search(r'<p class="chance">([^<]+)</p>', card)
        assert chance is not None
        assert len(chance[1]) > 10
    assert "Chance level over all pairs of layers: 0.001." in guides
    assert "Chance level of P@1 among unseen sentences: 1.00 %." in guides
    assert "Variance explained by two axes: 60.0 to 90.0 %" in guides
    assert "Chance level: 0, with 4 pairs of languages." in guides


def test_what_was_found_has_the_main_numbers_of_parts(text: str) -> None:
    found = text[text.index("Findings") : text.index('id="h-figures"')]
    assert "<b>ρ = +0.65</b><i>Spearman’s ρ of CKA, debiased and F1</i>" in found
    assert "Spearman’s ρ 0.65 [0.10, 0.90], p &lt; 0.001: similarity and transfer rise together." in found
    assert "<b>26 → 56 %</b><i>P@1 of unseen sentences without and with procrustes" in found
    # Muse has a map that can be applied at layer 1 alone, of two seeds: their mean.
    assert "P@1 of unseen sentences without and with muse" in found
    assert "at layer 1 with muse; means over 1 pair of languages." in found
    assert "is 26 % at layer 3 without a map and 56 % at layer 3 with procrustes" in found


def test_scores_and_their_confusion(text: str) -> None:
    assert "<h3>NLI &lt;zero-shot&gt;</h3>" in text
    assert '<th scope="row">French</th><td>English</td><td>100</td><td>95.0 [85.0, 100.0]</td>' in text
    # 20 of 60 entailments of Japanese went to neutral.
    japanese = text[text.index("Japanese: gold labels") :]
    assert re.search(r"entailment</th><td[^>]+>40 <small>\(67 %\)</small></td><td[^>]+>20 <small>\(33 %\)", japanese)
    assert "Chance level: 60.0 %, for always predicting the most frequent label." in text


def test_variance_strongest_first(text: str) -> None:
    size, corpus = (text.index(f'<th scope="row">{each}</th>') for each in ("size", "corpus"))
    assert size < corpus
    assert "<td>99.00</td><td>1, 1</td><td>&lt; 0.001</td><td>0.950</td><td>0.900</td>" in text
    assert "A: 2.0 ± 1.4 (2); B: 7.0 (1)" in text
    assert "<td>−0.010</td>" in text


def test_all_maps_stand_in_a_table(text: str) -> None:
    folded = text[text.index("All maps") :]
    assert "English → French, made-up/encoder" in folded
    assert (
        '<th scope="row">muse</th><td>1</td><td>1</td><td>3</td><td>0.7</td><td>90</td><td>40</td><td>75.0 %</td>'
        "<td>0.230 [0.100, 0.700]</td><td>0.530 [0.100, 0.700]</td><td>0.0100</td>"
    ) in folded
    assert "<td>not affine</td>" in folded


def test_the_coverage_of_dictionaries_stands_in_a_table(text: str) -> None:
    assert "<td>90 (75.0 %)</td><td>80</td>" in text
    assert "zebra, yak" in text
    assert "Chance level of P@1: 1.250 %." in text


def test_variance_explained_stands_in_a_table(text: str) -> None:
    assert '<th scope="row">embeddings</th><td>9</td><td>40.0 %</td><td>20.0 %</td><td>10.0 %</td>' in text


def test_all_coefficients_stand_in_a_table(text: str) -> None:
    folded = text[text.index("All coefficients") :]
    assert "CKA, debiased with F1, made-up/encoder" in folded
    assert (
        '<th scope="row">mean over layers</th><td>4</td><td>0.650 [0.100, 0.900]</td><td>&lt; 0.001</td>'
        "<td>−0.200 [−0.700, 0.400]</td><td>0.510</td>"
    ) in folded


def test_static_figures_are_well_formed_and_the_same_each_time(whole: StudyResult, tmp_path: Path) -> None:
    before = {path.name for path in write_figures(replace(whole, sections={}), tmp_path / "less")}
    first = write_figures(whole, tmp_path / "a")
    again = write_figures(whole, tmp_path / "b")
    added = sorted({path.name for path in first} - before)
    assert added == [
        "emergence.cka-debiased.svg", "made-up-encoder.answers.EM.cka-debiased.svg",
        "made-up-encoder.fine-tuned.pos.en.cka-debiased.svg", "made-up-encoder.gap.en.cka-debiased.svg",
        "made-up-encoder.layer-by-layer.cka-debiased.svg", "made-up-encoder.layer-by-layer.procrustes-distance.svg",
        "made-up-encoder.pca.sentences.svg", "made-up-encoder.token_translation.en-fr.svg",
        "made-up-encoder.token_translation.fr-en.svg", "made-up-encoder.transfer.F1.cka-debiased.svg",
        "made-up-encoder.transfer.LAS.cka-debiased.svg",
    ]  # fmt: skip
    for one, other in zip(first, again, strict=True):
        data = one.read_bytes()
        assert ElementTree.fromstring(data).tag.endswith("svg")
        assert data == other.read_bytes()
    text = (tmp_path / "a" / "made-up-encoder.transfer.F1.cka-debiased.svg").read_text(encoding="utf-8")
    assert "Spearman’s ρ 0.65 [0.10, 0.90], p &lt; 0.001" in text
    assert "en–ja" in text


def test_many_grids_make_no_huge_page(whole: StudyResult) -> None:
    """Sixteen languages, all pairs, 13 x 13 layers: the numbers of the page stay below two megabytes."""
    one = whole.sections["layer_grids"][0]
    matrix = [[0.123456789012345 + row / 7 + column / 11 for column in range(13)] for row in range(13)]
    many = [
        {**one, "target": f"x{at}", "source_layers": list(range(13)), "target_layers": list(range(13)),
         **dict.fromkeys(("values", "low", "high", "null_mean", "null_sd"), matrix)}
        for at in range(120)
    ]  # fmt: skip
    text = render(replace(whole, sections={"layer_grids": many}))
    data = re.search(r'<script id="data" type="application/json">(.*?)</script>', text, flags=re.DOTALL)
    assert data is not None
    assert len(data[1]) < 2e6
    shown = json.loads(data[1])["sections"]["layer_grids"]
    assert len(shown) == 120
    assert shown[7]["v"][3][5] == pytest.approx(matrix[3][5], abs=5e-6)

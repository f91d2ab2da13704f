"""Words of dictionaries."""

import csv
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from babelscope.calls.maps import FittedMap
from babelscope.calls.views import View
from babelscope.errors import CorpusError, StudyError
from babelscope.study import Study, StudyResult
from babelscope.study.sections.words import SECTION

Read = Callable[..., Study]
Run = Callable[[Study], StudyResult]


@pytest.fixture(autouse=True)
def _dictionaries(tmp_path: Path) -> None:
    (tmp_path / "en-fr.tsv").write_text("cat\tchat\ncat\tmatou\ndog\tchien\nbird\toiseau\n")
    (tmp_path / "en-de.tsv").write_text("cat\tKatze\ndog\tHund\n")
    (tmp_path / "words.fr").write_text("chien\nchat\nmaison\n")


def test_words_with_their_coverage(section: Read, run: Run, mesh, tmp_path: Path) -> None:
    extra = "words: {dictionary: 'en-{language}.tsv', targets: [fr], candidates: 'words.{language}', centre: true}"
    (found,) = SECTION.records(run(section(extra)))
    assert (found.dictionary, found.source, found.target, found.model) == ("en-fr.tsv", "en", "fr", "tiny")
    assert (found.pairs, found.sources, found.covered, found.lacking, found.candidates) == (4, 3, 2, ("bird",), 3)
    asked = mesh.calls[-1][1]
    assert asked["gold"] == (("cat", "chat"), ("cat", "matou"), ("dog", "chien"), ("bird", "oiseau"))
    assert {side: [text.id for text in view.texts] for side, view in asked["views"].items()} == {
        "source": ["cat", "dog", "bird"], "target": ["chien", "chat", "maison"]
    }  # fmt: skip
    assert asked["centre"] is True
    # To the target first, then back; layers ascending.
    assert [(row.source, row.target, row.layer) for row in found.rows if row.estimator == "csls"] == [
        ("en", "fr", 0), ("en", "fr", 1), ("en", "fr", 2), ("fr", "en", 0), ("fr", "en", 1), ("fr", "en", 2)
    ]  # fmt: skip
    with (tmp_path / "out" / "results.csv").open(newline="") as file:
        lines = [line for line in csv.DictReader(file) if line["kind"] == "words"]
    assert (lines[0]["metric"], float(lines[0]["value"]), lines[0]["n"]) == ("coverage", pytest.approx(2 / 3), "3")
    assert {line["estimator"] for line in lines[1:]} == {"cosine+centred", "csls+centred"}


def test_several_dictionaries_and_only_their_first_words(section: Read, run: Run, mesh) -> None:
    extra = "words: {{dictionary: 'en-{{language}}.tsv', targets: [fr, de], words: {}, layers: [1]}}"
    found = SECTION.records(run(section(extra.format(1))))
    assert [(each.target, each.pairs, each.candidates) for each in found] == [("fr", 2, 2), ("de", 1, 1)]
    count = len(mesh.calls)
    run(section(extra.format(1)))
    assert len(mesh.calls) == count
    # Another number of words changes what is asked of both.
    run(section(extra.format(2)))
    assert len(mesh.calls) == count + 2


def test_words_through_a_map_that_other_words_fitted(section: Read, run: Run, mesh, tmp_path: Path) -> None:
    (tmp_path / "en-fr.tsv").write_text("".join(f"w{place}\tm{place}\n" for place in range(40)))
    fits = []

    def fit_map(source: View, target: View, method: str, **how: Any) -> dict[int, FittedMap]:
        fits.append({"sides": (source, target), "method": method, **how})
        return {layer: FittedMap(layer, f"maps/s{layer}", f"maps/t{layer}", (), (), "", layer < 2) for layer in (0, 1)}

    mesh.fit_map = fit_map
    extra = "words: {{dictionary: en-fr.tsv, targets: [fr], layers: [0, 1], map: {{holdout: 0.25{}}}}}"
    (found,) = SECTION.records(run(section(extra.format(""))))
    [fit] = fits
    fitted = {source for source, _ in fit["seeds"]}
    held = {source for source, _ in mesh.calls[-1][1]["gold"]}
    assert fitted | held == {f"w{place}" for place in range(40)}
    assert not fitted & held
    assert 0 < len(held) < 20
    assert found.dictionary == "en-fr.tsv, mapped by procrustes"
    assert fit["options"] == {"normalisation": "centre"}
    assert [call["layers"] for name, call in mesh.calls if name == "retrieve"] == [(0,), (1,)]
    moved = mesh.calls[-1][1]["views"]
    for side, name in (("source", "maps/s1"), ("target", "maps/t1")):
        [edit] = moved[side].interventions
        assert (edit.layer, edit.linear_map.matrix, edit.linear_map.bias) == (1, name, name)
        assert len(moved[side].texts) == 40
    mesh.fit_map = lambda *_, **__: {0: FittedMap(0, "maps/s", "maps/t", (), (), "", False)}
    with pytest.raises(StudyError, match=r"`words\.map` to be a matrix and a bias"):
        run(section(extra.format(", options: {normalisation: iterative}")))


@pytest.mark.parametrize(
    ("extra", "problem"),
    [
        ("words: {targets: [fr]}", "words: Expected the key dictionary"),
        ("words: {dictionary: en-fr.tsv}", "words: Expected the key targets"),
        ("words: {dictionary: en-fr.tsv, targets: [fr, de]}", "words.dictionary: Expected `{language}` in the path"),
        ("words: {dictionary: en-fr.tsv, targets: [fr], map: {holdout: 1}}", "words.map.holdout"),
        ("words: {dictionary: en-fr.tsv, targets: [fr], map: {holdout: 0.000001}}", "to leave words on either side"),
        ("words: {dictionary: en-fr.tsv, targets: [fr], words: 0}", "words.words: Expected an integer of at least 1"),
        ("words: {dictionary: en-fr.tsv, targets: [fr], similarities: [dot]}", "Expected one of cosine, csls"),
        ("words: {dictionary: en-fr.tsv, targets: [fr], layers: [5]}", "`words.layers` within 0..2 for model tiny"),
        ("words: {dictionary: en-fr.tsv, targets: [fr], embedding_table: 1}", "words.embedding_table: Expected true"),
        (
            "words: {dictionary: en-fr.tsv, targets: [fr], embedding_table: true, layers: [1]}",
            "words.layers: Expected layer 0 alone",
        ),
        (
            "words: {dictionary: en-fr.tsv, targets: [fr], embedding_table: true, contexts: en-fr.tsv}",
            "words.contexts: Expected no contexts of words that are rows of the `embedding_table`",
        ),
    ],
)
def test_what_is_wrong_is_said(section: Read, run: Run, extra: str, problem: str) -> None:
    with pytest.raises(StudyError, match=problem):
        run(section(extra))


def test_a_dictionary_that_is_not_there(section: Read, run: Run) -> None:
    with pytest.raises(CorpusError, match=r"none\.tsv"):
        run(section("words: {dictionary: none.tsv, targets: [fr]}"))

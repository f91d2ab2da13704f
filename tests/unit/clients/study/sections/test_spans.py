"""Similarity of answers against transfer."""

import csv
import json
from collections.abc import Callable
from pathlib import Path

import pytest
from babelscope.errors import CorpusError, StudyError
from babelscope.study import Study, StudyResult
from babelscope.study.sections.spans import SECTION

Read = Callable[..., Study]
Run = Callable[[Study], StudyResult]
SPANS = "spans: {questions: 'qa.{language}.json', name: F1, table: f1.csv, measures: [cosine, svcca]}"


@pytest.fixture(autouse=True)
def _questions(tmp_path: Path) -> None:
    for language in ("en", "fr", "de", "ru", "zh"):
        paragraphs = [
            {
                "context": f"number {at} of {language}",
                "qas": [{"id": f"q{at}", "question": "which", "answers": [{"text": str(at), "answer_start": 7}]}],
            }
            for at in range(6)
        ]
        (tmp_path / f"qa.{language}.json").write_text(json.dumps({"data": [{"title": "t", "paragraphs": paragraphs}]}))
    (tmp_path / "f1.csv").write_text("source,target,score\nen,fr,70.5\nen,de,72\nen,ru,55\nen,zh,40\n")


def test_a_point_is_the_similarity_of_the_answers_of_a_pair(section: Read, run: Run, mesh, tmp_path: Path) -> None:
    result = run(section(SPANS))
    found = SECTION.records(result)
    assert [(each.metric, each.layer) for each in found] == [
        (metric, layer) for metric in ("cosine", "svcca") for layer in (0, 1, 2, None)
    ]
    assert [(each.source, each.target, each.similarity, each.transfer) for each in found[0].points] == [
        ("en", "fr", 0.8, 70.5), ("en", "de", 0.7, 72.0), ("en", "ru", 0.4, 55.0), ("en", "zh", 0.2, 40.0)
    ]  # fmt: skip
    name, asked = next(call for call in reversed(mesh.calls) if call[0] == "compare")
    assert (name, asked["pooling"]) == ("compare", "span")
    text = asked["views"]["fr"].texts[3]
    assert (text.id, text.text, text.spans) == ("q3", "number 3 of fr", ((7, 8),))
    with (tmp_path / "out" / "results.csv").open(newline="") as file:
        lines = [line for line in csv.DictReader(file) if line["kind"] == "spans"]
    points = [line for line in lines if line["metric"] == "svcca" and line["layer"] == "1"]
    assert [(line["source"], line["target"], line["pooling"]) for line in points] == [
        ("en", target, "span") for target in ("fr", "de", "ru", "zh")
    ]
    assert {line["metric"] for line in lines} == {"spearman", "pearson", "cosine", "svcca"}


def test_what_is_missing_is_named(section: Read, run: Run, tmp_path: Path) -> None:
    with pytest.raises(StudyError, match=r"`\{language\}` in the path of the questions"):
        section(SPANS.replace(".{language}", ""))
    with pytest.raises(StudyError, match="one of the keys table, scores, retrieval, score"):
        section("spans: {questions: 'qa.{language}.json', name: F1}")
    with pytest.raises(StudyError, match="at least 4 pairs of languages"):
        run(section(SPANS.replace("name: F1", "name: F1, languages: [en, fr]")))
    (tmp_path / "qa.ru.json").write_text("sentences\n")
    with pytest.raises(CorpusError, match=r"qa\.ru\.json"):
        run(section(SPANS))

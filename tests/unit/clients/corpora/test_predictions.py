"""Predicted answers in the JSON of question answering scripts."""

from pathlib import Path

import pytest
from babelscope.corpora.predictions import read_predictions
from babelscope.errors import CorpusError


def read(folder: Path, text: str) -> object:
    path = folder / "predictions.json"
    path.write_text(text, encoding="utf-8")
    return read_predictions(path, "zh")


def test_answers_by_the_id_of_their_question(tmp_path: Path) -> None:
    found = read(tmp_path, ' {"q2": "好", "q1": ""}')
    assert isinstance(found, dict)
    assert [(key, each.id, each.content, each.language) for key, each in found.items()] == [
        ("q2", "q2", "好", "zh"),
        ("q1", "q1", "", "zh"),
    ]
    assert read(tmp_path, "{}") == {}


@pytest.mark.parametrize("text", ['{"data": []}', "[1]", "plain text", "{broken", ""])
def test_other_files_are_none_of_these(tmp_path: Path, text: str) -> None:
    assert read(tmp_path, text) is None


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ('{"q": "a", "q": "b"}', "the id 'q' twice"),
        ('{"q": ["a"]}', "an answer as text for 'q', but got list"),
        ('{"q": {"text": "a"}}', "an answer as text for 'q', but got an object"),
    ],
)
def test_what_is_no_answer_is_refused(tmp_path: Path, text: str, words: str) -> None:
    with pytest.raises(CorpusError, match=words):
        read(tmp_path, text)

"""SQuAD JSON."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from babelscope.corpora import Answer, Question, read_examples, read_texts
from babelscope.errors import CorpusError

Write = Callable[[str, str], Path]


def qa(name: object, question: str, *answers: tuple[str, int]) -> dict[str, object]:
    return {"id": name, "question": question, "answers": [{"text": t, "answer_start": s} for t, s in answers]}


FILE = {
    "version": "1.1",
    "data": [
        {
            "title": "t",
            "paragraphs": [
                {"context": "\ufeffLe chat dort.", "qas": [qa("q1", "Qui dort ?", ("chat", 4)), qa("q2", "Où ?")]},
                {"context": "Il pleut.", "qas": [qa("q3", "Quel temps ?", ("pleut", 3), ("Il pleut", 0))]},
            ],
        }
    ],
}


def test_questions_contexts_and_answers(write: Write) -> None:
    first, second, third = read_examples(write("fr.json", json.dumps(FILE)))
    assert first.content == Question("\ufeffLe chat dort.", "Qui dort ?", (Answer("chat", 4),))
    assert isinstance(first.content, Question)
    assert first.content.context[4:8] == "chat"
    assert isinstance(second.content, Question)
    assert second.content.answers == ()
    assert third.id == "q3"
    assert [each.content.paragraph for each in (first, second, third)] == [0, 0, 1]  # type: ignore[union-attr]


def test_texts_are_questions_or_each_context_once(write: Write) -> None:
    path = write("fr.json", json.dumps(FILE))
    assert [(text.id, text.text) for text in read_texts(path)] == [
        ("q1", "Qui dort ?"), ("q2", "Où ?"), ("q3", "Quel temps ?")
    ]  # fmt: skip
    assert [(text.id, text.text) for text in read_texts(path, column="context")] == [
        ("q1", "\ufeffLe chat dort."), ("q3", "Il pleut.")
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("{", "JSON"),
        ("[]", "a list at data, but got NoneType"),
        ('{"data": [{"paragraphs": [{"qas": []}]}]}', r"a str at data\[0\].paragraphs\[0\].context"),
        ('{"data": [{"paragraphs": [{"context": "a", "qas": [{}]}]}]}', r"a question's id at .*qas\[0\].id"),
        ('{"data": []}', "at least one text"),
    ],
)
def test_what_is_wrong_is_said(write: Write, text: str, problem: str) -> None:
    with pytest.raises(CorpusError, match=problem):
        read_texts(write("a.json", text))

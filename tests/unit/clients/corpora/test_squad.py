"""SQuAD JSON."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from babelscope.corpora import Answer, Question, read_examples, read_texts
from babelscope.corpora.predictions import read_predictions
from babelscope.corpora.writers import write_examples
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
    assert [each.attributes for each in (first, second, third)] == [{"document": "t"}] * 3


@pytest.mark.parametrize("title", ["", None, 7, ["t"]])
def test_an_article_without_a_title_is_no_document(write: Write, title: object) -> None:
    article = {**FILE["data"][0], "title": title}  # type: ignore[index]
    assert {len(each.attributes) for each in read_examples(write("fr.json", json.dumps({"data": [article]})))} == {0}


def test_articles_are_written_apart(write: Write, tmp_path: Path) -> None:
    articles = [{**FILE["data"][0], "title": title} for title in ("t", "“u”")]  # type: ignore[index]
    examples = list(read_examples(write("fr.json", json.dumps({"data": articles}))))
    write_examples(examples, tmp_path / "out.json", format="squad")
    written = json.loads((tmp_path / "out.json").read_text(encoding="utf-8"))["data"]
    assert [(each["title"], len(each["paragraphs"])) for each in written] == [("t", 2), ("“u”", 2)]


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
        ('{"data": [{"paragraphs": [{"context": "a", "qas": [{"id": true}]}]}]}', "a question's id .*, but got True"),
        ('{"data": []}', "at least one text"),
    ],
)
def test_what_is_wrong_is_said(write: Write, text: str, problem: str) -> None:
    with pytest.raises(CorpusError, match=problem):
        read_texts(write("a.json", text))


def of(*questions: str) -> str:
    return '{{"data": [{{"paragraphs": [{{"context": "c d", "qas": [{}]}}]}}]}}'.format(", ".join(questions))


def test_unanswerable_questions_of_squad_2(write: Callable[[str, str], Path], tmp_path: Path) -> None:
    path = write(
        "dev.json",
        of(
            '{"id": "1", "question": "?", "is_impossible": true, "answers": [], "plausible_answers": [{"text": "c"}]}',
            '{"id": "2", "question": "?", "is_impossible": true}',
            '{"id": "3", "question": "?", "is_impossible": false, "answers": [{"text": "d", "answer_start": 2}]}',
        ),
    )
    examples = list(read_examples(path))
    assert [len(example.content.answers) for example in examples] == [0, 0, 1]
    write_examples(examples, tmp_path / "out.json", format="squad")
    written = json.loads((tmp_path / "out.json").read_text(encoding="utf-8"))
    assert [q.get("is_impossible", False) for q in written["data"][0]["paragraphs"][0]["qas"]] == [True, True, False]
    assert [each.content for each in read_examples(tmp_path / "out.json")] == [each.content for each in examples]


def test_a_question_is_impossible_or_has_answers(write: Callable[[str, str], Path]) -> None:
    both = '{"id": "1", "question": "?", "is_impossible": true, "answers": [{"text": "d", "answer_start": 2}]}'
    with pytest.raises(CorpusError, match=r"data\[0\].paragraphs\[0\].qas\[0\].answers, which is_impossible"):
        list(read_examples(write("dev.json", of(both))))


@pytest.mark.parametrize("escape", ["\\ud800", "\\uDC00 \\ud83d", "\\ud83d\\ud83d\\ude00", "\\\\\\ud800"])
def test_half_a_surrogate_pair_is_refused(write: Callable[[str, str], Path], escape: str) -> None:
    text = of(f'{{"id": "1", "question": "{escape}", "answers": []}}')
    with pytest.raises(CorpusError, match="half a surrogate pair") as raised:
        list(read_examples(write("a.json", "\n\n" + text)))
    assert raised.value.line == 3


@pytest.mark.parametrize(("escape", "expected"), [("\\ud83d\\ude00", "😀"), ("\\\\ud800", "\\ud800")])
def test_whole_pairs_and_escaped_backslashes_are_text(
    write: Callable[[str, str], Path], escape: str, expected: str
) -> None:
    (example,) = read_examples(write("a.json", of(f'{{"id": "1", "question": "{escape}", "answers": []}}')))
    assert example.content.question == expected


@pytest.mark.parametrize(
    ("text", "problem"),
    [("[" * 100_000, "maximum recursion depth"), ('{"data": ' + "1" * 5000 + "}", "integer string conversion")],
)
def test_json_that_python_does_not_read_is_refused(write: Callable[[str, str], Path], text: str, problem: str) -> None:
    with pytest.raises(CorpusError, match=f"Expected JSON that can be read, but got: .*{problem}"):
        list(read_examples(write("a.json", text)))
    assert read_predictions(write("p.json", "{" + text), "en") is None

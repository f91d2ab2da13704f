"""SQuAD JSON: neighbouring questions with one context share a paragraph, those of one document an article."""

import json
from collections.abc import Iterable
from itertools import groupby
from typing import Any, TextIO

from babelscope.corpora.writers.checks import content_of
from babelscope.data.examples import DOCUMENT, Example, Question


def write(examples: Iterable[Example], file: TextIO) -> None:
    """Writes one paragraph at a time; a question without answers is marked as SQuAD 2.0 does.

    Raises:
        ValueError: An example is no question.
    """
    file.write('{"version": "1.1", "data": [')
    for place, (title, article) in enumerate(groupby(examples, key=_document)):
        file.write((", " if place else "") + f'{{"title": {json.dumps(title, ensure_ascii=False)}, "paragraphs": [')
        for number, (_, group) in enumerate(groupby(article, key=_paragraph)):
            file.write((",\n" if number else "\n") + json.dumps(_written(group), ensure_ascii=False))
        file.write("\n]}")
    file.write("]}\n")


def _written(group: Iterable[Example]) -> dict[str, Any]:
    """A paragraph with its questions, of which there is at least one."""
    questions = [(example.id, content_of(example, Question, "squad")) for example in group]
    return {
        "context": questions[0][1].context,
        "qas": [
            {
                "id": name,
                "question": question.question,
                "answers": [{"text": answer.text, "answer_start": answer.start} for answer in question.answers],
            }
            | ({} if question.answers else {"is_impossible": True})
            for name, question in questions
        ],
    }


def _document(example: Example) -> str:
    return example.attributes.get(DOCUMENT, "")


def _paragraph(example: Example) -> tuple[int, str]:
    question = content_of(example, Question, "squad")
    return question.paragraph, question.context

"""SQuAD JSON: questions that follow one another with one context share a paragraph."""

import json
from collections.abc import Iterable
from itertools import groupby
from typing import TextIO

from babelscope.corpora.writers.checks import content_of
from babelscope.data.examples import Example, Question


def write(examples: Iterable[Example], file: TextIO) -> None:
    """Writes one article with all paragraphs, one at a time; a question without answers is marked as SQuAD 2.0 does.

    Raises:
        ValueError: An example is no question.
    """
    file.write('{"version": "1.1", "data": [{"title": "", "paragraphs": [')
    for number, (_, group) in enumerate(groupby(examples, key=_paragraph)):
        questions = [(example.id, content_of(example, Question, "squad")) for example in group]
        paragraph = {
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
        file.write((",\n" if number else "\n") + json.dumps(paragraph, ensure_ascii=False))
    file.write("\n]}]}\n")


def _paragraph(example: Example) -> tuple[int, str]:
    question = content_of(example, Question, "squad")
    return question.paragraph, question.context

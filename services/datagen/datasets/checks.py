"""Whether an example is one: its id, its language, its offsets, its tree. Every example passes here on its way in."""

import re

from babelscope.data.examples import Example, Question, Sentence

from services.datagen.text.content import check_answers, misplaced
from services.datagen.trees.tree import tree_of
from services.runtime.errors import InvalidArgument

_LANGUAGE = re.compile(r"([A-Za-z0-9]{1,8}([-_][A-Za-z0-9]{1,8})*)?")
_LONGEST_ID = 1024
_LONGEST_TAG = 64
_MOST_WORDS = 10_000
"""Words of a sentence; treebanks have less than a thousand. Work on a tree grows faster than its size."""
_MOST_ANSWERS = 1_000
"""Answers of a question; each is looked for among all words of its context."""


def check_example(example: Example, place: int, *, offsets: bool = True) -> None:
    """Checks one example.

    Args:
        example: The example as it came.
        place: Number of examples before it in the request.
        offsets: Whether answers must stand where they say; not where the next step is to find them.

    Raises:
        InvalidArgument: Something is wrong; the field names the example by its id, or by its place where it has none.
    """
    if not example.id or len(example.id) > _LONGEST_ID:
        got = "none" if not example.id else f"one of {len(example.id)}"
        raise InvalidArgument(f"examples[{place}].id", f"Expected an id of 1..{_LONGEST_ID} characters, but got {got}")
    if len(example.language) > _LONGEST_TAG or not _LANGUAGE.fullmatch(example.language):
        problem = f"Expected a BCP 47 tag such as zh-Hant, but got {example.language[:40]!r}"
        raise InvalidArgument(f"examples[{example.id}].language", problem)
    if isinstance(example.content, Question):
        _check_number(example, "question.answers", len(example.content.answers), _MOST_ANSWERS)
        if offsets:
            _check_known_answers(example)
    elif isinstance(example.content, Sentence):
        _check_sentence(example, example.content)


def _check_known_answers(example: Example) -> None:
    """Checks answers; a start of -1 says that it is not known yet (after `translate`)."""
    assert isinstance(example.content, Question)
    known = tuple([answer for answer in example.content.answers if answer.start != -1])
    if len(known) == len(example.content.answers):
        check_answers(example)
        return
    for number, answer in enumerate(example.content.answers):
        if answer.start != -1 and not example.content.context.startswith(answer.text, max(answer.start, 0)):
            raise InvalidArgument(
                f"examples[{example.id}].question.answers[{number}].start",
                f"{misplaced(answer, example.content.context)}; -1 says that it is not known",
            )


def _check_sentence(example: Example, sentence: Sentence) -> None:
    if not sentence.words:
        problem = "Expected a sentence of at least one word, but got none"
        raise InvalidArgument(f"examples[{example.id}].sentence.words", problem)
    _check_number(example, "sentence.words", len(sentence.words), _MOST_WORDS)
    heads = [word.head for word in sentence.words]
    if any(head is not None for head in heads):
        try:
            tree_of(sentence, example.id)
        except InvalidArgument as error:
            raise InvalidArgument(f"examples[{example.id}].sentence.words", error.problem) from error


def _check_number(example: Example, field: str, number: int, most: int) -> None:
    if number > most:
        what = field.rpartition(".")[2]
        problem = f"Expected at most {most} {what}, but got {number}"
        raise InvalidArgument(f"examples[{example.id}].{field}", problem)

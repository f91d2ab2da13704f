"""SQuAD JSON (versions 1.1 and 2.0; XQuAD, MLQA, DRCD, KorQuAD): questions by their ids, with contexts and answers."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from babelscope.corpora.files import read_whole
from babelscope.corpora.options import Options
from babelscope.corpora.surrogates import check_surrogates
from babelscope.data.examples import DOCUMENT, Answer, Example, Question
from babelscope.errors import CorpusError


def read(path: Path, options: Options) -> Iterator[Example]:
    """Yields one example a question, in the file's order.

    Contexts, questions and answers are given character for character: an offset counts a leading U+FEFF of a context.
    The attribute `document` is the title of an article that has one. JSON cannot be read in pieces: all of it is held.

    Raises:
        CorpusError: The file cannot be read, is not JSON, or lacks a part; the message names where.
    """
    text = read_whole(path)
    check_surrogates(path, text)
    try:
        root = json.loads(text)
    except json.JSONDecodeError as error:
        raise CorpusError(path, error.lineno, f"Expected JSON, but got: {error.msg}") from error
    except (ValueError, RecursionError) as error:  # numbers of thousands of digits, lists within lists without end
        raise CorpusError(path, 0, f"Expected JSON that can be read, but got: {error}") from error
    count = 0
    for i, article in enumerate(_get(path, root, "data", list, "")):
        attributes = _document(article)
        for j, paragraph in enumerate(_get(path, article, "paragraphs", list, f"data[{i}]")):
            at = f"data[{i}].paragraphs[{j}]"
            context = _get(path, paragraph, "context", str, at)
            for k, item in enumerate(_get(path, paragraph, "qas", list, at)):
                name = _id(path, item, f"{at}.qas[{k}]")
                question = _question(path, context, item, f"{at}.qas[{k}]", count)
                yield Example(name, question, options.language, attributes=attributes)
            count += 1


def _document(article: Any) -> dict[str, str]:
    title = article.get("title") if isinstance(article, dict) else None
    return {DOCUMENT: title} if isinstance(title, str) and title else {}


def _id(path: Path, item: Any, at: str) -> str:
    name = item.get("id") if isinstance(item, dict) else None
    if not isinstance(name, str | int) or isinstance(name, bool) or name == "":
        raise CorpusError(path, 0, f"Expected a question's id at {at}.id, but got {name!r}")
    return str(name)


def _question(path: Path, context: str, item: Any, at: str, paragraph: int) -> Question:
    answers = tuple(
        Answer(
            _get(path, answer, "text", str, f"{at}.answers[{n}]"),
            _get(path, answer, "answer_start", int, f"{at}.answers[{n}]"),
        )
        for n, answer in enumerate(_answers(path, item, at))
    )
    return Question(context, _get(path, item, "question", str, at), answers, paragraph)


def _answers(path: Path, item: Any, at: str) -> list[Any]:
    """The answers of a question; a question of SQuAD 2.0 that cannot be answered has none, or no list of them."""
    impossible = isinstance(item, dict) and item.get("is_impossible") is True
    answers: list[Any] = [] if impossible and item.get("answers") is None else _get(path, item, "answers", list, at)
    if impossible and answers:
        problem = f"Expected no answers at {at}.answers, which is_impossible says has none, but got {len(answers)}"
        raise CorpusError(path, 0, problem)
    return answers


def _get(path: Path, parent: Any, key: str, kind: type, at: str) -> Any:
    value = parent.get(key) if isinstance(parent, dict) else None
    if not isinstance(value, kind) or isinstance(value, bool):
        where = f"{at}.{key}".lstrip(".")
        raise CorpusError(path, 0, f"Expected a {kind.__name__} at {where}, but got {type(value).__name__}")
    return value

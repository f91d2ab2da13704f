"""Predicted answers as question answering scripts write them: one JSON object from a question's id to its answer."""

import json
from pathlib import Path
from typing import Any

from babelscope.corpora.files import read_whole
from babelscope.corpora.surrogates import check_surrogates
from babelscope.data.examples import Example
from babelscope.errors import CorpusError


def read_predictions(path: Path, language: str = "") -> dict[str, Example] | None:
    """The predicted answers by the id of their question, as running text.

    Args:
        path: A JSON file, plain or gzip.
        language: BCP 47 tag of the answers.

    Returns:
        The answers; None where the file is something else: no JSON object, or one with `data`, as a corpus has.

    Raises:
        CorpusError: The file cannot be read, an id comes twice, or an answer is no string; names the id.
    """
    text = read_whole(path)
    if not text.lstrip().startswith("{"):
        return None
    try:
        pairs = json.loads(text, object_pairs_hook=_Pairs)
    except (ValueError, RecursionError):
        return None
    if any(name == "data" for name, _ in pairs):
        return None
    check_surrogates(path, text)
    found: dict[str, Example] = {}
    for name, answer in pairs:
        if name in found:
            raise CorpusError(path, 0, f"Expected each question once, but got the id {name!r} twice")
        if not isinstance(answer, str):
            kind = "an object" if isinstance(answer, _Pairs) else type(answer).__name__
            raise CorpusError(path, 0, f"Expected an answer as text for {name!r}, but got {kind}")
        found[name] = Example(name, answer, language)
    return found


class _Pairs(list[tuple[str, Any]]):
    """An object of a JSON file with its keys in order, those that come twice among them."""

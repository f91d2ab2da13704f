"""Before and after side by side, with the words that changed marked."""

import difflib
from collections.abc import Sequence

from rich.table import Table
from rich.text import Text

from babelscope.data.examples import Example, Question, TextPair

_CHANGED = "bold reverse"


def preview(pairs: Sequence[tuple[Example | None, Example]]) -> Table:
    """A table with a row for each part of each example.

    Args:
        pairs: What an example was, where known, and what became of it.
    """
    table = Table("id", "before", "after", show_lines=True)
    for before, after in pairs:
        old = parts(before) if before is not None else {}
        for name, text in parts(after).items():
            left, right = marked(old.get(name, ""), text)
            table.add_row(f"{after.id}{f' ({name})' if name else ''}", left, right)
    return table


def parts(example: Example) -> dict[str, str]:
    """The texts of an example by what they are; running text has no name."""
    match example.content:
        case str() as text:
            return {"": text}
        case Question() as question:
            answers = " | ".join(answer.text for answer in question.answers)
            return {"context": question.context, "question": question.question, "answers": answers}
        case TextPair() as pair:
            return {"premise": pair.premise, "hypothesis": pair.hypothesis}
        case sentence:
            return {"": sentence.text or " ".join(word.form for word in sentence.words)}


def marked(before: str, after: str) -> tuple[Text, Text]:
    """Both texts, with words that only one of them has marked; characters where there are no spaces."""
    old, new = _tokens(before), _tokens(after)
    left, right = Text(), Text()
    for kind, i, j, k, m in difflib.SequenceMatcher(None, old, new, autojunk=False).get_opcodes():
        style = "" if kind == "equal" else _CHANGED
        left.append("".join(old[i:j]), style)
        right.append("".join(new[k:m]), style)
    return left, right


def _tokens(text: str) -> list[str]:
    words = [part for word in text.split(" ") for part in (word, " ")][:-1]
    return words if len(words) > 1 else list(text)

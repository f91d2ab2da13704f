"""The preview marks the words that changed, and the characters where a language has no spaces."""

import pytest
from babelscope import Answer, Example, Question
from babelscope.cli.preview import marked, parts, preview


@pytest.mark.parametrize(
    ("before", "after", "left", "right"),
    [
        ("the cat sat", "the chat sat", ["cat"], ["chat"]),
        ("the cat sat", "the cat sat", [], []),
        ("猫在家", "狗在家", ["猫"], ["狗"]),
        ("", "new", [], ["new"]),
    ],
)
def test_changed_words_are_marked(before: str, after: str, left: list[str], right: list[str]) -> None:
    found = marked(before, after)
    for text, plain, expected in zip(found, (before, after), (left, right), strict=True):
        assert text.plain == plain
        assert [plain[span.start : span.end] for span in text.spans if span.style] == expected


def test_every_part_has_its_row() -> None:
    question = Example("q", Question("un chat", "?", (Answer("chat", 3),)))
    assert parts(question) == {"context": "un chat", "question": "?", "answers": "chat"}
    assert preview([(question, question), (None, Example("t", "x"))]).row_count == 4

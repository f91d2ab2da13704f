"""IOB2."""

from collections.abc import Callable
from pathlib import Path

import pytest
from babelscope.corpora import Sentence, read_examples, read_texts
from babelscope.errors import CorpusError

Write = Callable[[str, str], Path]
UNER = (
    "# sent_id = dev-7\n# text = Mina bor i Århus.\n"
    "1\tMina\tB-PER\t-\ts\n2\tbor\tO\t-\ts\n3\ti\tO\t-\ts\n4\tÅrhus\tI-LOC\t-\ts\n5\t.\tO\t-\ts\n"
)


def test_five_columns(write: Write) -> None:
    (example,) = read_examples(write("da.iob2", UNER))
    assert example.id == "dev-7"
    assert isinstance(example.content, Sentence)
    assert example.content.text == "Mina bor i Århus."
    assert [(word.form, word.ner) for word in example.content.words][3] == ("Århus", "I-LOC")


def test_two_columns_may_hold_words_that_begin_with_a_hash(write: Write) -> None:
    path = write("tweets.bio", "# sent_id = t1\n#babel\tO\nin\tO\nRome\tB-LOC\n\n#\tO\n")
    assert [(text.id, text.text) for text in read_texts(path)] == [("t1", "#babel in Rome"), ("2", "#")]


@pytest.mark.parametrize(
    ("text", "problem"),
    [("1\ta\tO\n", "2 or 5 columns, but got 3"), ("a\tPER\n", "O, B-TYPE or I-TYPE, but got 'PER'"), ("a\tB-\n", "B-")],
)
def test_what_is_wrong_is_said(write: Write, text: str, problem: str) -> None:
    with pytest.raises(CorpusError, match=problem):
        read_texts(write("a.iob2", text))

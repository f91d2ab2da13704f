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


@pytest.mark.parametrize("tag", ["S-MISC", "U-MISC", "B-MISC ", "O ", "O\u00a0", "I-per:loc\r"])
def test_words_that_begin_with_a_hash_have_tags_of_any_scheme(write: Write, tag: str) -> None:
    (example,) = read_examples(write("a.bio", f"# a comment\n#babel\t{tag}\nRome\tO\n"))
    assert isinstance(example.content, Sentence)
    assert [(word.form, word.ner) for word in example.content.words] == [("#babel", tag.strip()), ("Rome", "O")]
    assert example.attributes == {"comments": "# a comment"}


@pytest.mark.parametrize("name", ["a.tsv", "a.iob2", "a"])
def test_marks_of_documents_are_no_sentences(write: Write, name: str) -> None:
    path = write(name, "-DOCSTART-\tO\n\nEU\tB-ORG\n\n-DOCSTART-\tO\n\nRome\tB-LOC\n")
    assert [(text.id, text.text) for text in read_texts(path)] == [("1", "EU"), ("2", "Rome")]


@pytest.mark.parametrize("blank", [" ", "  ", "\u00a0"])
def test_blanks_after_a_tag_do_not_matter(write: Write, blank: str) -> None:
    for text in (f"Ana\tB-PER{blank}\nyuko\tO{blank}\n", f"1\tAna\tB-PER{blank}\t-\t-\n2\tyuko\tO{blank}\t-\t-\n"):
        (example,) = read_examples(write("a.iob2", text))
        assert isinstance(example.content, Sentence)
        assert [word.ner for word in example.content.words] == ["B-PER", "O"]


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("1\ta\tO\n", "2 or 5 columns, but got 3"),
        ("a\tPER\n", "O, B-TYPE or I-TYPE, but got 'PER'"),
        ("a\tB-\n", "B-"),
        ("a\tO\n\tB-PER\n", ":2: Expected a word, but got an empty one"),
        ("1\t \tO\t-\t-\n", "a word"),
    ],
)
def test_what_is_wrong_is_said(write: Write, text: str, problem: str) -> None:
    with pytest.raises(CorpusError, match=problem):
        read_texts(write("a.iob2", text))


@pytest.mark.parametrize(
    ("text", "spaces"),
    [
        ("我爱书。", [False, False, False, True]),
        ("我 爱书。", [True, False, False, True]),
        ("我爱书", [True, True, True, True]),  # does not spell the words: nothing is known
    ],
)
def test_the_raw_text_tells_the_spaces(write: Write, text: str, spaces: list[bool]) -> None:
    rows = "".join(f"{i}\t{form}\tO\t-\t-\n" for i, form in enumerate("我爱书。", start=1))
    (example,) = read_examples(write("zh.iob2", f"# text = {text}\n{rows}"))
    assert isinstance(example.content, Sentence)
    assert [word.space_after for word in example.content.words] == spaces
    assert example.content.text == text

"""XNLI TSV."""

from collections.abc import Callable
from pathlib import Path

import pytest
from babelscope.corpora import TextPair, find_format, read_examples, read_texts
from babelscope.errors import CorpusError

Write = Callable[[str, str], Path]
SHORT = (
    "language\tsplit\tlabel\tgenre\tpremise\thypothesis\n"
    "sw\tdev\tneutral\tfiction\tAlikuja.\tAlikuja jana.\n"
    "sw\tdev\tentailment\tfiction\tAlikuja.\tMtu alikuja.\n"
)
WHOLE = (
    "language\tgold_label\tsentence1\tsentence2\tpromptID\tpairID\n"
    "fr\tneutral\tIl vint.\tIl vint hier.\t1\t11\n"
    "de\tneutral\tEr kam.\tEr kam gestern.\t1\t11\n"
    "de\tentailment\tEr kam.\tJemand kam.\t1\t12\n"
)


def test_rows_without_ids_are_counted_by_split(write: Write) -> None:
    path = write("xnli.sw.dev.tsv", SHORT)
    assert [(text.id, text.text, text.language) for text in read_texts(path)] == [
        ("dev-1", "Alikuja jana.", "sw"), ("dev-2", "Mtu alikuja.", "sw")
    ]  # fmt: skip
    assert [text.text for text in read_texts(path, column="premise")] == ["Alikuja.", "Alikuja."]
    assert next(read_examples(path)).content == TextPair("Alikuja.", "Alikuja jana.", "neutral")


def test_the_sets_own_file_holds_all_languages(write: Write) -> None:
    path = write("xnli.dev.tsv", WHOLE)
    assert [(text.id, text.text) for text in read_texts(path, language="de")] == [
        ("11", "Er kam gestern."), ("12", "Jemand kam.")
    ]  # fmt: skip
    with pytest.raises(CorpusError, match="at least one text of language 'ja', but got none"):
        read_texts(path, language="ja")


@pytest.mark.parametrize(
    ("text", "problem"),
    [("premise\thypothesis\n", "gold_label or label"), (SHORT + "sw\tdev\n", "6 fields as in the header, but got 2")],
)
def test_what_is_wrong_is_said(write: Write, text: str, problem: str) -> None:
    with pytest.raises(CorpusError, match=problem):
        read_texts(write("a.tsv", text), format="xnli")


def test_the_training_file_has_a_header_of_its_own(write: Callable[[str, str], Path]) -> None:
    path = write("multinli.train.fr.tsv", "premise\thypo\tlabel\nun\tdeux\tcontradictory\ntrois\tquatre\tentailment\n")
    assert find_format(path).name == "xnli"
    assert [example.content for example in read_examples(path)] == [
        TextPair("un", "deux", "contradiction"), TextPair("trois", "quatre", "entailment")
    ]  # fmt: skip


def test_blanks_around_names_and_labels_do_not_matter(write: Callable[[str, str], Path]) -> None:
    path = write("train.tsv", "premise\thypo \tlabel \nun \tdeux\tcontradictory \ntrois\tquatre\tneutral\u00a0\n")
    assert find_format(path).name == "xnli"
    assert [example.content for example in read_examples(path)] == [
        TextPair("un ", "deux", "contradiction"), TextPair("trois", "quatre", "neutral")
    ]  # fmt: skip

"""CoNLL-U."""

from collections.abc import Callable
from pathlib import Path

import pytest
from babelscope.corpora import Sentence, read_examples, read_texts
from babelscope.errors import CorpusError

Write = Callable[[str, str], Path]


def row(name: str, form: str, *, upos: str = "_", head: str = "_", deprel: str = "_", misc: str = "_") -> str:
    return f"{name}\t{form}\t_\t{upos}\t_\t_\t{head}\t{deprel}\t_\t{misc}\n"


DU = (
    "# newdoc id = d1\n# sent_id = d1-1\n# text = Il parle du chat.\n# text_en = He speaks of the cat.\n"
    + row("1", "Il", upos="PRON", head="2", deprel="nsubj")
    + row("2", "parle", upos="VERB", head="0", deprel="root")
    + row("2.1", "parle", upos="VERB")
    + row("3-4", "du")
    + row("3", "de", upos="ADP", head="5", deprel="case")
    + row("4", "le", upos="DET", head="5", deprel="det")
    + row("5", "chat", upos="NOUN", head="2", deprel="obl", misc="SpaceAfter=No|X=1")
    + row("6", ".", upos="PUNCT", head="2", deprel="punct")
    + "\n"
)


def sentences(path: Path) -> list[Sentence]:
    return [each.content for each in read_examples(path) if isinstance(each.content, Sentence)]


def test_words_leave_out_multiword_tokens_and_empty_nodes(write: Write) -> None:
    (sentence,) = sentences(write("fr.conllu", DU))
    assert [word.form for word in sentence.words] == ["Il", "parle", "de", "le", "chat", "."]
    assert [word.head for word in sentence.words] == [2, 0, 5, 5, 2, 2]
    assert [word.space_after for word in sentence.words] == [True, True, True, True, False, True]
    assert sentence.words[1].upos == "VERB"
    assert sentence.words[1].deprel == "root"


def test_the_text_is_text_and_never_its_translation(write: Write) -> None:
    (text,) = read_texts(write("fr.conllu", DU), language="fr")
    assert (text.id, text.text, text.language) == ("d1-1", "Il parle du chat.", "fr")
    without = DU.replace("# text = Il parle du chat.\n", "")
    assert read_texts(write("b.conllu", without))[0].text == "Il parle du chat."


def test_sentences_without_an_id_are_counted(write: Write) -> None:
    plain = row("1", "Ja", upos="INTJ", head="0", deprel="root")
    assert [text.id for text in read_texts(write("a.conllu", f"{plain}\n\n{plain}"))] == ["1", "2"]


def test_examples_carry_their_line(write: Write) -> None:
    examples = list(read_examples(write("a.conllu", "\n" + DU + DU.replace("d1-1", "d1-2"))))
    assert [each.line for each in examples] == [2, 2 + DU.count("\n")]


@pytest.mark.parametrize(
    ("text", "line", "problem"),
    [
        (DU + "1\tonly\tthree\n", 14, "10 columns, but got 3"),
        (row("1", "a") + row("3", "b"), 2, "word 2, but got 3"),
        (row("x", "a"), 1, "an id such as 3, 3-4 or 3.1, but got 'x'"),
        (row("1", "a", head="two"), 1, "a number or _ as HEAD, but got 'two'"),
        (row("1-2", "a"), 1, "at least one word"),
        (DU + DU, 14, "each id once, but got 'd1-1' again"),
    ],
)
def test_what_is_wrong_is_said_with_its_line(write: Write, text: str, line: int, problem: str) -> None:
    with pytest.raises(CorpusError, match=problem) as caught:
        read_texts(write("a.conllu", text))
    assert caught.value.line == line

"""CoNLL-U."""

from collections.abc import Callable
from pathlib import Path

import pytest
from babelscope.corpora import Sentence, Word, read_examples, read_texts
from babelscope.corpora.writers import write_examples
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
        (row("1", ""), 1, "Expected a form, but got an empty one"),
        (row("1", "a") + row("2", " "), 2, "Expected a form, but got an empty one"),
        (DU + DU, 14, "each id once, but got 'd1-1' again"),
    ],
)
def test_what_is_wrong_is_said_with_its_line(write: Write, text: str, line: int, problem: str) -> None:
    with pytest.raises(CorpusError, match=problem) as caught:
        read_texts(write("a.conllu", text))
    assert caught.value.line == line


FULL = (
    "# sent_id = a\n# text = (dell'isola)\n# newpar\n# text_en = (of the island)\n# source = x = y\n"
    "1\t(\t(\tPUNCT\tFB\t_\t4\tpunct\t4:punct\tSpaceAfter=No\n"
    "2\tdi\tdi\tADP\tE\t_\t4\tcase\t4:case\tLang=it|Gloss=of\n"
    "3\tl'\til\tDET\tRD\tDefinite=Def\t4\tdet\t4:det|2:x\tSpaceAfter=No\n"
    "4\tisola\tisola\tNOUN\tS\t_\t0\troot\t0:root\tGloss=island|SpaceAfter=No\n"
    "5\t)\t)\tPUNCT\tFB\t_\t4\tpunct\t4:punct\t_\n\n"
)


def test_all_columns_and_comments_come_back_as_they_were(write: Write, tmp_path: Path) -> None:
    examples = list(read_examples(write("it.conllu", FULL)))
    (sentence,) = sentences(write("it.conllu", FULL))
    assert [word.xpos for word in sentence.words] == ["FB", "E", "RD", "S", "FB"]
    assert [word.deps for word in sentence.words] == ["4:punct", "4:case", "4:det|2:x", "0:root", "4:punct"]
    assert [word.misc for word in sentence.words] == ["", "Lang=it|Gloss=of", "", "Gloss=island", ""]
    assert examples[0].attributes == {"comments": "# newpar\n# text_en = (of the island)\n# source = x = y"}
    write_examples(examples, tmp_path / "out.conllu", format="conllu")
    assert (tmp_path / "out.conllu").read_text(encoding="utf-8") == FULL


def test_empty_nodes_are_no_heads(write: Write) -> None:
    rows = "1\ta\t_\t_\t_\t_\t0\troot\t0:root|1.1:x\t_\n1.1\tb\t_\t_\t_\t_\t_\t_\t1:y\t_\n"
    (sentence,) = sentences(write("a.conllu", rows))
    assert sentence.words[0].deps == "0:root"


@pytest.mark.parametrize(
    ("token", "last", "text"),
    [("SpaceAfter=No", "_", "(di l'isola"), ("_", "SpaceAfter=No", "(di l' isola"), ("_", "_", "(di l' isola")],
)
def test_the_space_of_a_multiword_token_is_its_own(write: Write, token: str, last: str, text: str) -> None:
    (sentence,) = sentences(
        write(
            "it.conllu",
            row("1", "(", misc="SpaceAfter=No")
            + row("2-3", "dell'", misc=token) + row("2", "di") + row("3", "l'", misc=last) + row("4", "isola"),
        )
    )  # fmt: skip
    assert "".join(word.form + " " * word.space_after for word in sentence.words).rstrip() == text
    assert sentence.text == text.replace("di l'", "dell'")


@pytest.mark.parametrize("misc", ["SpaceAfter=No ", " SpaceAfter=No", "X=1| SpaceAfter=No |Y=2", "SpaceAfter=No\u00a0"])
def test_blanks_around_space_after_do_not_matter(write: Write, misc: str) -> None:
    (sentence,) = sentences(write("a.conllu", row("1", "a", misc=misc) + row("2", "b")))
    assert sentence.text == "ab"
    assert not sentence.words[0].space_after


def test_blanks_at_the_ends_of_columns_belong_to_forms_and_lemmas_only(write: Write) -> None:
    (sentence,) = sentences(
        write("a.conllu", "1 \ta \ta \tDET \tD \t_ \t2 \tdet:x\u00a0\t2:det \t_ \n" + row("2", "b"))
    )
    assert sentence.words[0] == Word("a ", "DET", 2, "det:x", lemma="a ", xpos="D", deps="2:det")


@pytest.mark.parametrize(
    ("names", "line", "problem"),
    [
        (("2-1", "1", "2"), 1, "Expected a range that rises, but got 2-1"),
        (("1-2", "1", "2-3", "2", "3"), 3, "Expected ranges that do not overlap, but got 2-3 after 1-2"),
        (("1-2", "1-3", "1", "2", "3"), 2, "Expected ranges that do not overlap, but got 1-3 after 1-2"),
        (("1", "1-2", "2"), 2, "Expected a range right before its first word, 2, but got 1-2"),
        (("3-4", "1", "2", "3", "4"), 1, "Expected a range right before its first word, 1, but got 3-4"),
        (("1", "2-4", "2", "3"), 1, "Expected words up to 4 of 2-4, but the last is 3"),
    ],
)
def test_ranges_that_do_not_cover_their_words_are_refused(
    write: Write, names: tuple[str, ...], line: int, problem: str
) -> None:
    path = write("a.conllu", "".join(row(name, "x") for name in names))
    with pytest.raises(CorpusError) as raised:
        sentences(path)
    assert raised.value.line == line
    assert problem in str(raised.value)


def test_columns_in_another_order_are_refused(write: Write) -> None:
    """CoNLL-U Plus says in its first line what its columns are."""
    usual = "ID FORM LEMMA UPOS XPOS FEATS HEAD DEPREL DEPS MISC"
    row = "1\tlong\tlong\tADJ\t_\t_\t0\troot\t_\t_\n"
    assert [text.text for text in read_texts(write("a.conllu", f"# global.columns = {usual}\n{row}"))] == ["long"]
    other = usual.replace("LEMMA UPOS", "UPOS LEMMA")
    with pytest.raises(
        CorpusError, match=f"a.conllu:1: Expected the columns {usual}, but # global.columns says {other}"
    ):
        read_texts(write("a.conllu", f"# global.columns = {other}\n{row}"))


@pytest.mark.parametrize(
    ("text", "spaces"),
    [
        ("我爱 书。", [False, True, False, True]),
        ("我 爱书。", [True, False, False, True]),
        ("我爱书", [True, True, True, True]),  # does not spell the words: SpaceAfter alone is known
    ],
)
def test_spaces_are_those_of_the_raw_text_where_it_spells_the_words(
    write: Write, text: str, spaces: list[bool]
) -> None:
    """Treebanks without SpaceAfter: what a transform puts together anew must not have other spaces."""
    rows = "".join(f"{n}\t{form}\t_\tX\t_\t_\t_\t_\t_\t_\n" for n, form in enumerate("我爱书。", start=1))
    (example,) = read_examples(write("a.conllu", f"# text = {text}\n{rows}"))
    assert isinstance(example.content, Sentence)
    assert [word.space_after for word in example.content.words] == spaces


def test_the_space_after_a_multi_word_token_is_that_of_the_raw_text(write: Write) -> None:
    rows = "".join(
        f"{n}\t{form}\t_\t_\t_\t_\t_\t_\t_\t_\n"
        for n, form in [("1", "("), ("2-3", "dell'"), ("2", "di"), ("3", "l'"), ("4", "isola"), ("5", ")")]
    )
    (example,) = read_examples(write("a.conllu", f"# text = (dell'isola)\n{rows}"))
    assert isinstance(example.content, Sentence)
    assert [word.space_after for word in example.content.words] == [False, True, False, False, True]

"""Spaces between the words of a sentence after its words have changed."""

from collections.abc import Callable, Sequence
from itertools import pairwise
from pathlib import Path

import pytest
from babelscope.corpora import Options, read_examples
from babelscope.data.examples import Example, Sentence, Word

from services.runtime.text.words import run_together
from tests.support.datagen_corpora import Memory, transform

Find = Callable[[str], Path]
MEMORY = Memory(
    pairs={
        "zh-en": [("我", "I"), ("爱", "love"), ("书", "book")],
        "en-zh": [("I", "我"), ("love", "爱"), ("books", "书")],
        "it-de": [("il", "das"), ("mare", "Meer")],
        "en-de": [("can", "kann"), ("not", "nicht")],
    }
)
ZH = ("我", "爱", "书", "。")


def sentence(forms: Sequence[str], spaces: Sequence[bool] | None = None) -> Example:
    told = spaces or [False] * len(forms)
    words = tuple(Word(form, space_after=space) for form, space in zip(forms, told, strict=True))
    text = "".join(form + " " * space for form, space in zip(forms, told, strict=True)).rstrip()
    return Example("s", Sentence(words, text), "zh")


def switched(example: Example, dictionary: str, **options: object) -> tuple[str, list[bool]]:
    source, target = dictionary.split("-")
    options = {"dictionary": source, "languages": target, "source": example.language, **options}
    memory = Memory(pairs={f"{source}-{target}": MEMORY.pairs[dictionary]})
    (done,), _ = transform("code_switch", [example], memory, **options)
    assert isinstance(done.content, Sentence)
    return done.content.text, [word.space_after for word in done.content.words]


@pytest.mark.parametrize("rule", ["hsu", "conneau"])
def test_words_of_a_script_without_spaces_that_become_spaced_ones_stand_apart(rule: str) -> None:
    options = {} if rule == "hsu" else {"rule": rule, "probability": 1, "cap": 1}
    assert switched(sentence(ZH), "zh-en", **options) == ("I love book。", [True, True, False, False])
    (running,), _ = transform(
        "code_switch", [Example("s", "我爱书。", "zh")], Memory(pairs={"zh-en": MEMORY.pairs["zh-en"]}),
        dictionary="zh", languages="en",
    )  # fmt: skip
    assert running.content == "I love book。"


@pytest.mark.parametrize(
    ("forms", "spaces", "dictionary", "expected"),
    [
        (("我", "读", "书"), None, "zh-en", "I读book"),  # as running text: 读 needs no space around it
        (("I", "love", "books", "."), (True, True, False, True), "en-zh", "我 爱 书."),
        (("can", "not"), None, "en-de", "kann nicht"),
        (("can", "n't"), None, "en-de", "kann n't"),
        (("(", "il", "mare", ")"), (False, True, False, False), "it-de", "(das Meer)"),
        (("can", "not"), None, "zh-en", "cannot"),  # nothing changed: the sentence is as it was
    ],
)
def test_spaces_of_changed_sentences(
    forms: tuple[str, ...], spaces: tuple[bool, ...] | None, dictionary: str, expected: str
) -> None:
    assert switched(sentence(forms, spaces), dictionary)[0] == expected


def test_marked_words_stand_apart_as_in_running_text() -> None:
    (words, running), report = transform("prefix_language", [sentence(ZH), Example("t", "我爱书。", "zh")])
    assert words.content.text == running.content == "zh:我 zh:爱 zh:书 zh:。"
    assert report.counts["marked"] == 8


def test_signs_stay_unmarked_where_asked() -> None:
    (words, running), report = transform(
        "prefix_language", [sentence(ZH), Example("t", "我爱书。", "zh")], punctuation=False
    )
    assert words.content.text == running.content == "zh:我 zh:爱 zh:书。"
    assert report.counts["marked"] == 6


MULTIWORD = (
    "# sent_id = it-1\n# text = (dell'isola)\n"
    "1\t(\t(\tPUNCT\t_\t_\t4\tpunct\t_\tSpaceAfter=No\n"
    "2-3\tdell'\t_\t_\t_\t_\t_\t_\t_\tSpaceAfter=No\n"
    "2\tdi\tdi\tADP\t_\t_\t4\tcase\t_\t_\n"
    "3\tl'\til\tDET\t_\t_\t4\tdet\t_\t_\n"
    "4\tisola\tisola\tNOUN\t_\t_\t0\troot\t_\tSpaceAfter=No\n"
    "5\t)\t)\tPUNCT\t_\t_\t4\tpunct\t_\t_\n"
)


def test_the_space_of_a_multiword_token_is_that_of_its_last_word(tmp_path: Path) -> None:
    path = tmp_path / "it.conllu"
    path.write_text(MULTIWORD, encoding="utf-8")
    (example,) = read_examples(path, options=Options(language="it"))
    memory = Memory(pairs={"d-x": [("isola", "isola")], "d-y": [("di", "de")]})
    (same,), _ = transform("code_switch", [example], memory, dictionary="d", languages="x")
    assert same.content.text == "(dell'isola)"
    (changed,), _ = transform("code_switch", [example], memory, dictionary="d", languages="y")
    assert changed.content.text == "(de l'isola)"


@pytest.mark.shared_data
@pytest.mark.parametrize("language", ["zh", "ja", "ko", "fr", "de", "ar"])
def test_no_changed_word_of_pud_runs_into_its_neighbour(shared_data: Find, language: str) -> None:
    """Treebanks as they are: a dictionary into English of each language that has one, and markers."""
    dictionary = shared_data("dictionaries/README.md").parent / f"en-{language}.tsv"
    lines = dictionary.read_text(encoding="utf-8").splitlines()
    pairs = [(target, source) for source, target in (line.split("\t")[:2] for line in lines if line)]
    examples = list(read_examples(shared_data(f"pud/{language}.conllu.gz"), options=Options(language=language)))
    done, report = transform("code_switch", examples, Memory(pairs={"d-en": pairs}), dictionary="d", languages="en")
    assert report.counts["replaced"] > 0
    for old, new in zip(examples, done, strict=True):
        before, after = old.content.words, new.content.words
        for (a, b), (c, d) in zip(pairwise(before), pairwise(after), strict=True):
            if (a.form, b.form) != (c.form, d.form) and not c.space_after:
                assert not run_together(c.form, d.form), new.id
            assert c.space_after >= a.space_after
    marked, _ = transform("prefix_language", examples)
    for one in marked:
        assert len(one.content.text.split(f"{language}:")) - 1 >= len(one.content.words)
        assert all(word.space_after for word in one.content.words[:-1])

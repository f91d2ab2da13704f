"""What is written is read back as the same examples: hand-written samples of every format, and the shared data."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import pytest
from babelscope.corpora import Answer, Example, Options, Question, Sentence, TextPair, Word, read_examples
from babelscope.corpora.writers import WRITERS, write_examples
from babelscope.corpora.writers.registry import format_for

LINES = [Example("a", "Un œuf, s'il vous plaît", "fr"), Example("b", "שלום  עולם \u200f👩‍👧", "fr")]
TREES = [
    Example(
        "s1",
        Sentence(
            (
                Word("Don", "AUX", 0, "root", lemma="do", feats="Mood=Imp", space_after=False),
                Word("’t", "PART", 1, "advmod"),
                Word("_", "SYM", 1, "dep", lemma="_"),
            ),
            "Don’t _",
        ),
        "fr",
    ),
    Example("s2", Sentence((Word("猫", space_after=False), Word("#x")), "猫#x"), "fr"),
]
TAGS = [Example("n1", Sentence((Word("Ada", ner="B-PER"), Word("lacht", ner="O")), "Ada lacht"), "fr")]
PAIRS = [Example("p-1", TextPair('He said "yes".', "Yes.", "entailment"), "fr")]
QUESTIONS = [
    Example("q1", Question("ab\ncd 👩‍👧 e", "What?", (Answer("cd", 3), Answer("👩‍👧", 6))), "fr"),
    Example("q2", Question("ab\ncd 👩‍👧 e", "Why?", ()), "fr"),
    Example("q3", Question("\ufeffother", "Who?", (Answer("o", 1),), paragraph=1), "fr", attributes={"document": "Œ"}),
    Example("q4", Question("third", "How?", (), paragraph=2), "fr", attributes={"document": "Œ"}),
    Example("q5", Question("third", "How?", (), paragraph=3), "fr", attributes={"document": "Œ 2"}),
]
LINED = [Example("fra-eng:2", "Un œuf\tdur", "fr"), Example("fra-eng:5", "\ufeffשלום  עולם", "fr")]
SAMPLES = {
    "tatoeba": LINED,
    "lines": LINES,
    "tsv": LINES,
    "conllu": TREES,
    "iob2": TAGS,
    "xnli": PAIRS,
    "squad": QUESTIONS,
}


def plain(examples: Sequence[Example]) -> list[Example]:
    return [replace(example, line=0) for example in examples]


@pytest.mark.parametrize("name", WRITERS)
@pytest.mark.parametrize("suffix", ["", ".gz"])
def test_samples_come_back(name: str, suffix: str, tmp_path: Path) -> None:
    path = tmp_path / f"{'tatoeba.fra-eng.fra' if name == 'tatoeba' else 'corpus'}{suffix}"
    examples = SAMPLES[name]
    assert write_examples(iter(examples), path, format=name) == len(examples)
    assert plain(list(read_examples(path, format=name, options=Options(language="fr")))) == examples
    assert [each.name for each in tmp_path.iterdir()] == [path.name]


@pytest.mark.parametrize("name", sorted(set(WRITERS) - {"tsv", "tatoeba"}))
def test_the_format_is_found_by_the_example(name: str) -> None:
    assert format_for(SAMPLES[name][0]) == name


@pytest.mark.parametrize(
    ("name", "example"),
    [
        ("lines", Example("x1", "a\tb")),
        ("tsv", Example("x1", "a\nb")),
        ("conllu", Example("x1", "text")),
        ("squad", Example("x1", "text")),
        ("xnli", Example("x1", TextPair("a\tb", "c"))),
    ],
)
def test_what_does_not_fit_is_named_and_leaves_nothing(name: str, example: Example, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="x1"):
        write_examples([*SAMPLES[name], example], tmp_path / "out", format=name)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("name", "example", "problem"),
    [
        ("tatoeba.fra-eng.deu", LINED[0], "whose side is one of the pair"),
        ("corpus.txt", LINED[0], "a name such as"),
        ("tatoeba.deu-eng.deu", LINED[0], "ids such as deu-eng:17"),
        ("tatoeba.fra-eng.fra", Example("fra-eng:5", "a line too late"), "in the order of their lines"),
        ("tatoeba.fra-eng.fra", Example("fra-eng:x", "a"), "in the order of their lines"),
        ("tatoeba.fra-eng.fra", Example("fra-eng:9", "a\nb"), "one line"),
        ("tatoeba.fra-eng.fra", Example("fra-eng:9", " "), "not blank"),
        ("tatoeba.fra-eng.fra", Example("fra-eng:9", TextPair("a", "b")), "running text"),
    ],
)
def test_lines_of_a_tatoeba_pair_are_those_of_their_ids(
    name: str, example: Example, problem: str, tmp_path: Path
) -> None:
    with pytest.raises(ValueError, match=problem):
        write_examples([LINED[1], example], tmp_path / name, format="tatoeba")
    assert not list(tmp_path.iterdir())


def test_an_unknown_format_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="Expected `format` to be one of"):
        write_examples(LINES, tmp_path / "out", format="docx")


@pytest.mark.shared_data
@pytest.mark.parametrize(
    ("name", "file"),
    [
        ("squad", "qa/xquad.zh.json"),
        ("squad", "qa/xquad.ar.json"),
        ("conllu", "ud/en_partut-ud-dev.conllu.gz"),
        ("conllu", "ud/sl_ssj-ud-test.conllu.gz"),
        ("iob2", "ner/zh_gsd-ud-test.iob2.gz"),
        ("iob2", "ner/ru_pud-ud-test.iob2.gz"),
        ("lines", "text/wesnoth.tr.txt.gz"),
        ("tatoeba", "tatoeba/tatoeba.cmn-eng.cmn"),
    ],
)
def test_shared_files_come_back(name: str, file: str, shared_data: Callable[[str], Path], tmp_path: Path) -> None:
    examples = plain(list(read_examples(shared_data(file), options=Options(language="xx"))))
    path = tmp_path / Path(file).name
    assert write_examples(examples, path, format=name) == len(examples)
    assert plain(list(read_examples(path, format=name, options=Options(language="xx")))) == examples

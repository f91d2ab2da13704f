"""What every transform and every composition must keep: ids, languages, labels, and offsets that are right."""

import pytest
from babelscope.data.examples import Answer, Example, Question, Sentence, TextPair, Word
from hypothesis import given, settings
from hypothesis import strategies as st

from services.datagen.transforms.registry import create
from services.runtime.errors import InvalidArgument
from tests.support.datagen_corpora import Memory, assert_offsets, questions, transform

PAIRS = [
    ("a", "alpha"), ("b", "β"), ("c", "c c"), ("e", "ää", "2"), ("e", "日本"), ("a b", "ab"), ("我", "I"),
    ("吃", "eat"), ("我吃", "we eat"), ("蘋果", "apple"), ("ไทย", "Thai"), ("ع", "ayn"), ("हिन्दी", "Hindi"),
    ("é", "e"), ("i", "ış"), ("12", "dozen"),
]  # fmt: skip
MEMORY = Memory(pairs={"d": PAIRS})
STEPS = (
    ("code_switch", {"dictionary": "d", "languages": "de"}),
    ("code_switch", {"dictionary": "d", "languages": "de,tr"}),
    ("code_switch", {"dictionary": "d", "languages": "de", "rule": "conneau", "probability": "0.9", "cap": "0.8"}),
    ("permute_vocabulary", {}),
    ("permute_vocabulary", {"case": "keep"}),
    ("prefix_language", {}),
    ("prefix_language", {"punctuation": "false", "marker": "{language}_"}),
    ("recover_answers", {}),
    ("deduplicate", {"rule": "normalised"}),
    ("split", {}),
)


# What makes running text of sentences in words, and moves answers by comparing the texts before and after.
PREPARING = (("normalise", {}), ("segment", {}))
ALL = STEPS + PREPARING


@settings(max_examples=300, deadline=None)
@given(questions(), questions("r"), st.lists(st.sampled_from(ALL), min_size=1, max_size=4), st.integers(0, 9))
def test_offsets_after_any_composition(one: Example, two: Example, steps: list, seed: int) -> None:
    examples = [one, two]
    languages = {one.id: one.language, two.id: two.language}
    for name, options in steps:
        answers = sum(len(example.content.answers) for example in examples)
        examples, report = transform(name, examples, MEMORY, seed=seed, **options)
        assert_offsets(examples)
        left = sum(len(example.content.answers) for example in examples)
        assert left == answers - report.counts["answers_dropped"] or name == "deduplicate"
        assert report.counts["kept"] == len(examples)
    for example in examples:
        assert example.language == languages[example.id]
        assert example.attributes["domain"] == "made"


@given(st.permutations([0, 1, 2, 3]), st.data())
def test_order_changes_nothing(order: list[int], data: st.DataObject) -> None:
    examples = [data.draw(questions(f"q{i}")) for i in range(4)]
    for name, options in ALL:
        straight, _ = transform(name, examples, MEMORY, seed=5, **options)
        shuffled, _ = transform(name, [examples[i] for i in order], MEMORY, seed=5, **options)
        assert sorted(straight, key=lambda one: one.id) == sorted(shuffled, key=lambda one: one.id), name


@given(st.data())
def test_batches_change_nothing(data: st.DataObject) -> None:
    examples = [data.draw(questions(f"q{i}")) for i in range(3)]
    for name, options in ALL:
        if create(name, options, MEMORY, 0).passes == 1:
            whole, _ = transform(name, examples, MEMORY, seed=5, **options)
            assert whole == [one for some in examples for one in transform(name, [some], MEMORY, seed=5, **options)[0]]


def test_streaming_transforms_hold_nothing_back() -> None:
    for name, options in ALL:
        step = create(name, options, MEMORY, 0)
        if step.passes == 1:
            read = []

            def stream(read: list = read):
                for i in range(3):
                    read.append(i)
                    yield Example(f"q{i}", Question("a b c", "a?", (Answer("b", 2),)), "en")

            assert next(step.apply(stream(), transform("split", [])[1])).id == "q0"
            assert read == [0], name


@pytest.mark.parametrize(("name", "options"), [step for step in ALL if step[0] not in ("recover_answers", "deduplicate", "split")])  # fmt: skip  # noqa: E501
@pytest.mark.parametrize(
    ("answer", "field", "problem"),
    [
        (Answer("b", 0), "answers[0].start", "Expected 'b' at 0 of the context, but got 'a'"),
        (Answer("b", -1), "answers[0].start", "recover answers first"),
        (Answer("b", 99), "answers[0].start", "Expected 'b' at 99"),
        (Answer("", 0), "answers[0].text", "at least one character"),
    ],
)
def test_wrong_offsets_are_refused(
    name: str, options: dict[str, str], answer: Answer, field: str, problem: str
) -> None:
    with pytest.raises(InvalidArgument) as raised:
        transform(name, [Example("q7", Question("a b", "?", (answer,)), "en")], MEMORY, **options)
    assert raised.value.field == f"examples[q7].question.{field}"
    assert problem in raised.value.problem


@pytest.mark.parametrize(("name", "options"), [step for step in STEPS if step[0] != "recover_answers"])
def test_labels_and_annotation_are_kept(name: str, options: dict[str, str]) -> None:
    words = (
        Word("a", "DET", 2, "det", "O", "a"), Word("b", "NOUN", 0, "root", "B-LOC", "b", "X=Y", space_after=False),
        Word(".", "PUNCT", 2, "punct"),
    )  # fmt: skip
    examples = [
        Example("s", Sentence(words, "a b."), "en"),
        Example("p", TextPair("a b", "e e", "neutral"), "en"),
        Example("t", "a b c e 12", "en"),
    ]
    done, report = transform(name, examples, MEMORY, **options)
    sentence, pair, text = done
    assert [one.id for one in done] == ["s", "p", "t"]
    assert pair.content.label == "neutral"
    assert isinstance(text.content, str)
    signs_marked = name == "prefix_language" and "punctuation" not in options
    for old, new in zip(words, sentence.content.words, strict=True):
        assert (old.upos, old.head, old.deprel, old.ner, old.feats) == (
            new.upos, new.head, new.deprel, new.ner, new.feats
        )  # fmt: skip
        assert new.space_after == (old.space_after or signs_marked)
        assert new.lemma == ("" if new.form != old.form else old.lemma)
    gap = " " if signs_marked else ""
    assert sentence.content.text == "{} {}{gap}{}".format(*(word.form for word in sentence.content.words), gap=gap)
    assert report.counts["read"] == 3

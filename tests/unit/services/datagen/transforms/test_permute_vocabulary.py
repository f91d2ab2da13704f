import pytest
from babelscope.data.examples import Answer, Example, Question
from hypothesis import given
from hypothesis import strategies as st

from services.datagen.transforms.permute_vocabulary import bijection
from services.runtime.text.words import segment
from tests.support.datagen_corpora import Memory, texts, transform


def _words(text: str) -> list[str]:
    return [text[start:end] for start, end in segment(text)]


@given(st.lists(texts, min_size=1, max_size=5), st.integers(0, 99))
def test_words_are_mapped_by_one_bijection(some: list[str], seed: int) -> None:
    # Whether an apostrophe parts words depends on the words: told apart from the outside only without.
    some = [text.replace("'", "").replace("’", "") for text in some]
    examples = [Example(f"x{i}", text, "en") for i, text in enumerate(some)]
    done, report = transform("permute_vocabulary", examples, seed=seed)
    mapping: dict[str, str] = {}
    for old, new in zip(examples, done, strict=True):
        for one, two in zip(_words(old.content), _words(new.content), strict=True):
            assert mapping.setdefault(one, two) == two
    assert len(set(mapping.values())) == len(mapping)
    assert set(mapping) == set(mapping.values())
    assert report.counts["words"] == sum(len(_words(text)) for text in some)
    assert report.counts["replaced"] == sum(mapping[word] != word for text in some for word in _words(text))
    assert report.counts["types/en"] == len(mapping)


@given(st.sets(st.text("ab語我é", min_size=1, max_size=4)), st.integers(0, 99))
def test_no_word_stays(words: set[str], seed: int) -> None:
    mapping = bijection(words, seed, "x")
    assert set(mapping) == set(mapping.values()) == words
    assert mapping == bijection(sorted(words), seed, "x")
    for unspaced in (True, False):
        some = [word for word in words if (word[0] in "語我") == unspaced]
        assert len(some) == 1 or all(mapping[word] != word for word in some)


def test_question_context_and_answer_alike() -> None:
    examples = [Example("q", Question("Paris is big, Rome is old.", "Is Rome old?", (Answer("Rome", 14),)), "en")]
    done, _ = transform("permute_vocabulary", examples, seed=3)
    old, new = examples[0].content, done[0].content
    mapping = dict(zip(_words(old.context), _words(new.context), strict=True))
    assert [mapping.get(word, word) for word in _words(old.question)][1:] == _words(new.question)[1:]
    assert new.answers[0].text == mapping["Rome"]


def test_case_kept_or_exact() -> None:
    examples = [Example("x", "The cat. the dog THE iPhone", "en")]
    done, report = transform("permute_vocabulary", examples, case="keep", seed=1)
    first, _, second, _, third, _ = _words(done[0].content)
    assert first.casefold() == second.casefold() == third.casefold()
    assert first[0].isupper()
    assert third.isupper()
    assert report.counts["types/en"] == 4
    assert transform("permute_vocabulary", examples)[1].counts["types/en"] == 6


def test_one_bijection_a_language_and_others_pass() -> None:
    examples = [Example("x", "a b c d e f", "en"), Example("y", "a b c d e f", "de"), Example("z", "a b", "fr")]
    done, report = transform("permute_vocabulary", examples, languages="en,de", seed=2)
    assert done[0].content != done[1].content
    assert done[2] == examples[2]
    assert report.counts["other_language"] == 1


def test_training_and_test_by_the_vocabulary_of_both() -> None:
    train = [Example("x", "a b c d", "en")]
    test = [Example("y", "c e f", "en")]
    memory = Memory(datasets={"train": train, "test": test})
    options = {"vocabulary": "train,test", "seed": 4}
    first, _ = transform("permute_vocabulary", train, memory, **options)
    second, report = transform("permute_vocabulary", [*test, Example("z", "new c", "en")], memory, **options)
    assert first[0].content.split()[2] == second[0].content.split()[0] == second[1].content.split()[1]
    assert second[1].content.split()[0] == "new"
    assert report.counts["unknown"] == 1


@pytest.mark.parametrize("seed", [0, 1])
def test_seeds(seed: int) -> None:
    examples = [Example("x", " ".join("abcdefghij"), "en")]
    assert (
        transform("permute_vocabulary", examples, seed=seed)[0]
        == transform("permute_vocabulary", examples, seed=seed)[0]
    )
    assert (
        transform("permute_vocabulary", examples, seed=seed)[0] != transform("permute_vocabulary", examples, seed=9)[0]
    )

"""Preparation as transforms: lines normalised and cut, languages sampled, vocabularies learnt, streams, anchors."""

from collections import Counter

import numpy as np
import pytest
from babelscope.corpora.vocabularies import PART_CHARACTERS, from_examples, to_examples
from babelscope.data.examples import Answer, Example, Question, Sentence, TextPair, Word
from hypothesis import given
from hypothesis import strategies as st
from tokenizers import Tokenizer

from services.datagen.preparation.sampling import probabilities
from services.datagen.preparation.vocabulary import SPECIALS
from services.runtime.errors import FailedPrecondition, InvalidArgument
from tests.support.datagen_corpora import Memory, assert_offsets, transform

ENGLISH = ["the bank is near the river", "the river is in Berlin", "the bank in Berlin"]
GERMAN = ["die bank ist am fluss", "der fluss ist in Berlin", "die bank in Berlin"]
CORPUS = [
    Example(f"s{number}", text, language)
    for language, lines in (("en", ENGLISH), ("de", GERMAN))
    for number, text in enumerate(lines * 4)
]


def made(examples: list[Example]) -> Memory:
    """A store that holds a vocabulary as `datasets/v`."""
    return Memory(datasets={"datasets/v": examples})


def test_lines_are_normalised_and_segmented() -> None:
    lines = [
        Example("a", "«Hello»,\u00a0world…", "en"),
        Example("b", "\ufeff \x00", "en"),
        Example("c", "猫，狗。", "zh"),
    ]
    normal, report = transform("normalise", lines)
    assert [(one.id, one.content) for one in normal] == [("a", '"Hello," world...'), ("c", "猫，狗。")]
    assert (report.counts["read"], report.counts["kept"], report.counts["dropped"]) == (3, 2, 1)
    assert report.counts["changed"] == 1
    cut, _ = transform("segment", normal)
    assert [one.content for one in cut] == ['" Hello , " world ...', "猫 ， 狗 。"]


def test_sentences_in_words_become_running_text_and_labels_stay() -> None:
    words = (Word("Don", space_after=False), Word("’t"), Word("go", space_after=False), Word("."))
    examples = [
        Example("s", Sentence(words, "Don’t go."), "en"),
        Example("p", TextPair("It’s.", "No…", "neutral"), "en"),
    ]
    (sentence, pair), report = transform("normalise", examples)
    assert (sentence.content, pair.content) == ("Don't go.", TextPair("It's.", "No...", "neutral"))
    assert report.counts["annotation_lost"] == 1
    assert report.warnings
    (sentence, pair), _ = transform("segment", examples)
    assert (sentence.content, pair.content) == ("Don ’t go .", TextPair("It ’s .", "No …", "neutral"))


def test_answers_move_with_their_contexts() -> None:
    context = "\ufeffHe said:\u3000« c’est la vie »…"
    answers = tuple(Answer(text, context.index(text)) for text in ("c’est", "vie", "vie »…", "\ufeff"))
    question = Example("q", Question(context, "What…?", answers), "en")
    [normal], report = transform("normalise", [question])
    assert_offsets([normal])
    assert [answer.text for answer in normal.content.answers] == ["c'est", "vie", 'vie ..."']
    assert report.counts["answers_dropped"] == 1
    [cut], _ = transform("segment", [normal])
    assert_offsets([cut])
    assert [answer.text for answer in cut.content.answers] == ["c 'est", "vie", 'vie ... "']


@given(st.integers(1, 60), st.integers(1, 60), st.integers(0, 300), st.floats(0, 1), st.integers(0, 5))
def test_languages_are_sampled_to_their_budgets(
    english: int, swahili: int, total: int, exponent: float, seed: int
) -> None:
    corpus = [Example(f"s{i}", "x", language) for language, n in (("en", english), ("sw", swahili)) for i in range(n)]
    options = {"total": total, "exponent": exponent}
    done, report = transform("sample_languages", corpus, seed=seed, **options)
    assert len(done) == (total or english + swahili) == report.counts["kept"]
    kept = Counter(one.language for one in done)
    shares = probabilities({"en": english, "sw": swahili}, exponent)
    assert all(abs(kept[language] - len(done) * share) < 1 for language, share in shares.items())
    assert all(report.counts[f"kept/{language}"] == count for language, count in kept.items())
    assert len({(one.id, one.language) for one in done}) == len(done)
    times = Counter((one.language, one.attributes.get("origin", one.id)) for one in done)
    for language, n in (("en", english), ("sw", swahili)):
        assert {times[language, f"s{i}"] for i in range(n)} <= {kept[language] // n, kept[language] // n + 1}
    again, _ = transform("sample_languages", corpus[::-1], seed=seed, **options)
    assert sorted(again, key=repr) == sorted(done, key=repr)


def test_without_repetition_nothing_comes_twice() -> None:
    corpus = [Example(f"s{i}", "x", language) for language, n in (("en", 90), ("sw", 10)) for i in range(n)]
    done, _ = transform("sample_languages", corpus, total=60, exponent=0, repeat="false")
    assert Counter(one.language for one in done) == {"en": 50, "sw": 10}
    assert all("origin" not in one.attributes for one in done)
    with pytest.raises(InvalidArgument, match=r"options\[total\]: Expected a total within 1\.\.100, but got 101"):
        transform("sample_languages", corpus, total=101, repeat="false")


@pytest.mark.parametrize("kind", ["bpe", "wordpiece"])
def test_a_joint_vocabulary_is_one_that_others_read(kind: str) -> None:
    parts, report = transform("learn_vocabulary", CORPUS, size=80, kind=kind)
    assert parts == transform("learn_vocabulary", CORPUS[::-1], size=80, kind=kind)[0]
    [description] = from_examples(parts).values()
    tokenizer = Tokenizer.from_str(description)
    assert tokenizer.get_vocab_size() == report.counts["vocabulary"] <= 80
    cut, counted = transform("cut_subwords", CORPUS, made(parts), vocabulary="datasets/v")
    for before, after in zip(CORPUS, cut, strict=True):
        assert after.content.split() == tokenizer.encode(before.content).tokens
    ids, _ = transform("cut_subwords", CORPUS, made(parts), vocabulary="datasets/v", form="ids")
    assert [one.content.split() for one in ids] == [
        [str(tokenizer.token_to_id(piece)) for piece in one.content.split()] for one in cut
    ]
    assert counted.counts["words"] == sum(len(one.content.split()) for one in CORPUS) == report.counts["words"]
    assert counted.counts["tokens"] == sum(len(one.content.split()) for one in cut)
    [unknown], counted = transform("cut_subwords", [Example("x", "猫", "")], made(parts), vocabulary="datasets/v")
    assert unknown.content == "[UNK]"
    assert counted.counts["unknown"] == 1


def test_vocabularies_of_their_own_share_what_is_spelled_alike_or_nothing() -> None:
    parts, report = transform("learn_vocabulary", CORPUS, size=60, separate="true")
    assert {part.language for part in parts} == {"de", "en"}
    assert report.counts["vocabulary"] == report.counts["vocabulary/de"] + report.counts["vocabulary/en"]
    shared, counted = transform("cut_subwords", CORPUS, made(parts), vocabulary="datasets/v")
    apart, none = transform("cut_subwords", CORPUS, made(parts), vocabulary="datasets/v", prefixed="true")
    assert counted.counts["shared"] > 0 == none.counts["shared"]
    for one, other in zip(shared, apart, strict=True):
        assert other.content.split() == [f"{one.language}:{piece}" for piece in one.content.split()]
    numbers, _ = transform("cut_subwords", CORPUS, made(parts), vocabulary="datasets/v", prefixed="true", form="ids")
    ids = {
        language: {int(i) for one in numbers if one.language == language for i in one.content.split()}
        for language in ("de", "en")
    }
    assert not ids["de"] & ids["en"]
    assert min(ids["de"] | ids["en"]) >= len(SPECIALS)
    with pytest.raises(InvalidArgument, match="a language with a vocabulary, but got 'fr'"):
        transform("cut_subwords", [Example("x", "la", "fr")], made(parts), vocabulary="datasets/v")


def test_a_vocabulary_that_is_none_is_refused() -> None:
    parts, _ = transform("learn_vocabulary", CORPUS, size=60)
    for wrong in ([Example("a", "text")], [*parts, *parts], [Example("tokenizer.json:0", "{")]):
        with pytest.raises(FailedPrecondition, match="vocabulary datasets/v"):
            transform("cut_subwords", CORPUS, made(wrong), vocabulary="datasets/v")
    with pytest.raises(InvalidArgument, match="either a joint vocabulary"):
        transform("cut_subwords", CORPUS, made(parts), vocabulary="datasets/v", prefixed="true")
    with pytest.raises(InvalidArgument, match=r"examples\[q\]: Expected running text"):
        transform("cut_subwords", [Example("q", TextPair("a", "b"))], made(parts), vocabulary="datasets/v")
    with pytest.raises(InvalidArgument, match=r"options\[size\]: Expected at least \d+ .*language 'de'"):
        transform("learn_vocabulary", CORPUS, size=10, separate="true")
    with pytest.raises(InvalidArgument, match="examples: Expected at least one word"):
        transform("learn_vocabulary", [], size=10)


def test_a_large_vocabulary_is_cut_into_parts_and_joined_again() -> None:
    text = "x" * (2 * PART_CHARACTERS + 5)
    parts = [*to_examples(text, "en"), *to_examples("y")]
    assert [len(one.content) for one in parts] == [PART_CHARACTERS, PART_CHARACTERS, 5, 1]
    assert from_examples(parts) == {"": "y", "en": text}
    with pytest.raises(ValueError, match=r"part tokenizer\.json:1"):
        from_examples([parts[0], parts[2]])


@given(st.lists(st.tuples(st.sampled_from(["en", "de"]), st.integers(0, 9)), max_size=30), st.integers(1, 12))
def test_streams_hold_every_token_in_order(lines: list[tuple[str, int]], length: int) -> None:
    corpus = [Example(f"s{i}", " ".join(f"{i}.{k}" for k in range(n)), tag) for i, (tag, n) in enumerate(lines)]
    expected = {
        tag: [token for one in corpus if one.language == tag for token in (*one.content.split(), "[SEP]")]
        for tag in {tag for tag, _ in lines}
    }
    done, report = transform("cut_streams", corpus, length=length, separator="[SEP]", padding="[PAD]")
    found: dict[str, list[str]] = {tag: [] for tag in expected}
    for one in done:
        tokens = one.content.split()
        assert len(tokens) == length
        assert one.id == f"{one.language}:{len(found[one.language]) // length + 1}"
        found[one.language] += tokens
    for tag, tokens in found.items():
        assert tokens[: len(expected[tag])] == expected[tag]
        assert set(tokens[len(expected[tag]) :]) <= {"[PAD]"}
    assert report.counts["tokens"] == sum(map(len, expected.values()))
    cut, report = transform("cut_streams", corpus, length=length, separator="[SEP]")
    assert len(cut) == sum(len(tokens) // length for tokens in expected.values())
    assert report.counts["tokens_dropped"] == sum(len(tokens) % length for tokens in expected.values())


def test_streams_ask_for_lines_and_for_single_tokens() -> None:
    with pytest.raises(InvalidArgument, match=r"options\[padding\]: Expected one token"):
        transform("cut_streams", CORPUS, padding="a b")
    with pytest.raises(InvalidArgument, match=r"examples\[q\]"):
        transform("cut_streams", [Example("q", TextPair("a", "b"))])


def test_anchors_are_those_of_the_languages_tokens() -> None:
    corpus = [
        Example("1", "a b a", "en"),
        Example("2", "c [SEP]", "en"),
        Example("1", "a d", "de"),
        Example("1", "e", "fr"),
    ]
    done, report = transform("measure_anchors", corpus)
    assert done == corpus
    assert {name: count for name, count in report.counts.items() if "/" in name} == {
        "types/en": 3, "types/de": 2, "types/fr": 1, "tokens/en": 4, "tokens/de": 2, "tokens/fr": 1,
        "shared_types/de+en": 1, "shared_tokens/de+en": 3, "shared_types/de+fr": 0, "shared_tokens/de+fr": 0,
        "shared_types/en+fr": 0, "shared_tokens/en+fr": 0,
    }  # fmt: skip
    assert transform("measure_anchors", corpus, keep="false")[0] == []


def test_a_prefixed_vocabulary_has_no_anchors() -> None:
    """The whole way: joint, joined and prefixed sub-words of one corpus, and what they share (C3)."""
    shares = {}
    for name, separate, prefixed in (
        ("joint", "false", "false"),
        ("joined", "true", "false"),
        ("none", "true", "true"),
    ):
        parts, _ = transform("learn_vocabulary", CORPUS, size=70, separate=separate)
        cut, _ = transform("cut_subwords", CORPUS, made(parts), vocabulary="datasets/v", prefixed=prefixed)
        _, report = transform("measure_anchors", cut)
        counts = report.counts
        either = counts["types/de"] + counts["types/en"] - counts["shared_types/de+en"]
        shares[name] = counts["shared_types/de+en"] / either
    assert shares["none"] == 0
    assert np.all(np.array([shares["joint"], shares["joined"]]) > 0.2)

"""Subsample, mix_domains and split: what is drawn, and that exactly so many are."""

from collections import Counter

import pytest
from babelscope.data.examples import Answer, Example, Question, TextPair
from hypothesis import given
from hypothesis import strategies as st

from services.datagen.transforms.subsample import shares
from services.runtime.errors import FailedPrecondition, InvalidArgument, NotFound
from tests.support.datagen_corpora import Memory, transform


def _corpus(language: str, size: int, prefix: str = "") -> list[Example]:
    labels = ("entailment", "neutral", "neutral", "contradiction")
    return [Example(f"{prefix}{i}", TextPair(f"p{i}", "h", labels[i % 4]), language) for i in range(size)]


@given(st.integers(1, 40), st.integers(0, 9), st.randoms())
def test_a_sample_of_exactly_the_size(size: int, seed: int, random) -> None:
    corpus = _corpus("en", 40)
    done, report = transform("subsample", corpus, size=size, seed=seed)
    assert len(done) == size == report.counts["kept"]
    shuffled = random.sample(corpus, 40)
    assert {one.id for one in transform("subsample", shuffled, size=size, seed=seed)[0]} == {one.id for one in done}


def test_larger_samples_hold_smaller_ones_and_order_stays() -> None:
    few, _ = transform("subsample", _corpus("en", 50), size=10)
    many, _ = transform("subsample", _corpus("en", 50), size=20)
    assert {one.id for one in few} < {one.id for one in many}
    assert [int(one.id) for one in many] == sorted(int(one.id) for one in many)


def test_equal_sizes_keep_parallel_ids() -> None:
    done, report = transform("subsample", _corpus("en", 60) + _corpus("fr", 60) + _corpus("de", 30), equal="true")
    assert report.counts["kept/en"] == report.counts["kept/fr"] == report.counts["kept/de"] == 30
    assert {one.id for one in done if one.language == "en"} == {one.id for one in done if one.language == "fr"}
    _, report = transform("subsample", _corpus("en", 60) + _corpus("fr", 60), equal="true", size=7)
    assert (report.counts["kept/en"], report.counts["kept/fr"]) == (7, 7)


def test_strata_keep_their_shares() -> None:
    done, _ = transform("subsample", _corpus("en", 400) + _corpus("fr", 800), size=40, equal="true", stratify="label")
    assert Counter((one.language, one.content.label) for one in done) == {
        (language, label): 20 if label == "neutral" else 10
        for language in ("en", "fr")
        for label in ("entailment", "neutral", "contradiction")
    }
    tagged = [Example(str(i), "t", attributes={"domain": "a" if i % 3 else "b"}) for i in range(30)]
    done, _ = transform("subsample", tagged, size=9, stratify="domain")
    assert Counter(one.attributes["domain"] for one in done) == {"a": 6, "b": 3}


@given(st.lists(st.integers(0, 50), min_size=1, max_size=6), st.data())
def test_shares_add_up(counts: list[int], data: st.DataObject) -> None:
    groups = {("", str(i)): count for i, count in enumerate(counts)}
    size = data.draw(st.integers(0, sum(counts)))
    if sum(counts):
        divided = shares(groups, size)
        assert sum(divided.values()) == size
        assert all(0 <= divided[group] <= groups[group] for group in groups)
        assert all(abs(divided[group] - size * groups[group] / sum(counts)) < 1 for group in groups)


def test_too_few_examples() -> None:
    with pytest.raises(FailedPrecondition, match="Expected at least 9 examples of language 'fr', but got 3"):
        transform("subsample", _corpus("en", 20) + _corpus("fr", 3), size=9, equal="true")
    with pytest.raises(InvalidArgument, match="size"):
        transform("subsample", [])


def test_the_same_id_twice_does_not_break_the_size() -> None:
    assert len(transform("subsample", _corpus("en", 5) * 2, size=5)[0]) == 5


@given(st.floats(0, 1), st.integers(0, 9))
def test_a_share_of_each_language_is_replaced(share: float, seed: int) -> None:
    memory = Memory(datasets={"crawl": _corpus("en", 50, "c") + _corpus("fr", 30, "c")})
    corpus = _corpus("en", 40) + _corpus("fr", 20)
    done, report = transform("mix_domains", corpus, memory, dataset="crawl", share=share, seed=seed)
    for language, size in (("en", 40), ("fr", 20)):
        theirs = [one for one in done if one.language == language and one.id.startswith("c")]
        assert len(theirs) == round(share * size)
        assert sum(one.language == language for one in done) == size
        assert all(one.attributes["domain"] == "crawl" for one in theirs)
    assert report.counts["replaced"] == round(share * 40) + round(share * 20)
    assert len({(one.id, one.language) for one in done}) == 60


def test_one_language_from_another_domain() -> None:
    memory = Memory(datasets={"crawl": _corpus("fr", 30, "c")})
    done, _ = transform("mix_domains", _corpus("en", 9) + _corpus("fr", 9), memory, dataset="crawl", languages="fr")
    assert all(one.id.startswith("c") == (one.language == "fr") for one in done)


def test_what_cannot_be_mixed() -> None:
    memory = Memory(datasets={"crawl": _corpus("en", 3, "c"), "same": _corpus("en", 9)})
    with pytest.raises(FailedPrecondition, match="Expected at least 4 examples in 'en', but it holds 3"):
        transform("mix_domains", _corpus("en", 8), memory, dataset="crawl", share=0.5)
    with pytest.raises(FailedPrecondition, match="is in both"):
        transform("mix_domains", _corpus("en", 9), memory, dataset="same", share=0.5)
    with pytest.raises(NotFound):
        transform("mix_domains", [], memory, dataset="none")


def _parts(examples: list[Example], **options: object) -> dict[tuple[str, str], str]:
    return {(one.id, one.language): one.attributes["split"] for one in transform("split", examples, **options)[0]}


def test_parallel_versions_stay_together_and_shares_are_about_right() -> None:
    parts = _parts(_corpus("en", 4000) + _corpus("fr", 4000), dev=0.2, test=0.1)
    assert all(parts[str(i), "en"] == parts[str(i), "fr"] for i in range(4000))
    counts = Counter(parts.values())
    assert counts["dev"] / 8000 == pytest.approx(0.2, abs=0.02)
    assert counts["test"] / 8000 == pytest.approx(0.1, abs=0.02)


def test_windows_and_questions_of_one_text_stay_together() -> None:
    windows = [Example(f"d{i}#{k}", "t", attributes={"origin": f"d{i}"}) for i in range(60) for k in range(3)]
    parts = _parts(windows, dev=0.3, test=0.3)
    assert all(parts[f"d{i}#0", ""] == parts[f"d{i}#1", ""] == parts[f"d{i}#2", ""] for i in range(60))
    questions = [
        Example(f"q{i}", Question(f"{language} {(i + shift) // 3}", "?", (Answer(language, 0),)), language)
        for language, shift in (("en", 0), ("fr", 1))
        for i in range(30)
    ]
    # The two languages cut the questions into contexts differently, so all hang together.
    assert len(set(_parts(questions, dev=0.3, test=0.3).values())) == 1
    assert len(set(_parts(questions[:30], dev=0.3, test=0.3).values())) == 3


def _articles(language: str) -> list[Example]:
    """Ninety questions about thirty contexts of ten articles."""
    return [
        Example(f"q{i:02}", Question(f"{language} {i // 3}", "?"), language, attributes={"document": f"a{i // 9}"})
        for i in range(90)
    ]


def test_articles_stay_together_in_every_language_where_asked_for() -> None:
    options = {"dev": 0.3, "test": 0.3, "together": "document"}
    parts = _parts(_articles("en"), **options)
    by_article = [{parts[f"q{i:02}", "en"] for i in range(at, at + 9)} for at in range(0, 90, 9)]
    assert all(len(each) == 1 for each in by_article)
    assert set().union(*by_article) == {"train", "dev", "test"}
    assert {name: part for (name, _), part in parts.items()} == {
        name: part for (name, _), part in _parts(_articles("zh"), **options).items()
    }
    loose = _parts(_articles("en"), dev=0.3, test=0.3)
    assert any(len({loose[f"q{i:02}", "en"] for i in range(at, at + 9)}) > 1 for at in range(0, 90, 9))


def test_an_attribute_that_no_example_has_keeps_nothing_together() -> None:
    with pytest.raises(FailedPrecondition, match=r"Expected examples with the attribute 'article', .*none has it"):
        transform("split", _articles("en"), together="article")


@given(st.randoms())
def test_order_does_not_matter(random) -> None:
    examples = [Example(f"q{i}", Question(f"c{i % 7}", "?"), "en") for i in range(40)]
    assert _parts(examples) == _parts(random.sample(examples, 40))


def test_one_part_alone() -> None:
    corpus = _corpus("en", 300)
    kept = [transform("split", corpus, keep=part)[0] for part in ("train", "dev", "test")]
    assert [len(part) for part in kept] == [len([p for p in _parts(corpus).values() if p == name]) for name in ("train", "dev", "test")]  # fmt: skip  # noqa: E501
    assert sum(map(len, kept)) == 300

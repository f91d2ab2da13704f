"""Alignment by id."""

from pathlib import Path

import pytest
from babelscope.corpora import ParallelCorpus, read_parallel
from babelscope.data.texts import Text
from hypothesis import given
from hypothesis import strategies as st


def texts(language: str, ids: list[str]) -> tuple[Text, ...]:
    return tuple(Text(name, f"{name} in {language}", language) for name in ids)


IDS = st.lists(st.text("abcdefgh", min_size=1, max_size=2), unique=True)


@given(left=IDS, right=IDS, third=IDS)
def test_a_pair_uses_exactly_what_both_have_and_never_mispairs(
    left: list[str], right: list[str], third: list[str]
) -> None:
    corpus = ParallelCorpus({"en": texts("en", left), "fr": texts("fr", right), "ja": texts("ja", third)})
    lefts, rights = corpus.pair("en", "fr")
    assert [text.id for text in lefts] == [text.id for text in rights] == [name for name in left if name in set(right)]
    assert {text.language for text in lefts} <= {"en"}
    assert {text.language for text in rights} <= {"fr"}
    common = corpus.common()
    assert all([text.id for text in each] == list(common.ids) for each in common.texts.values())
    assert set(common.ids) == set(left) & set(right) & set(third)
    for language, has in {"en": left, "fr": right, "ja": third}.items():
        assert set(corpus.missing()[language]) == set(corpus.ids) - set(has)


def test_a_poor_language_does_not_shrink_other_pairs() -> None:
    corpus = ParallelCorpus(
        {"en": texts("en", ["1", "2", "3"]), "fr": texts("fr", ["3", "2", "1"]), "sw": texts("sw", ["2", "9"])}
    )
    assert len(corpus.pair("en", "fr")[0]) == 3
    assert corpus.missing() == {"en": ("9",), "fr": ("9",), "sw": ("1", "3")}
    assert corpus.common().ids == ("2",)
    assert corpus.common(["fr", "en"]).ids == ("3", "2", "1")


def test_select_keeps_the_order_asked_for() -> None:
    corpus = ParallelCorpus({"en": texts("en", ["1", "2"]), "fr": texts("fr", ["2", "3"])}).select(["3", "2"])
    assert [text.id for text in corpus.texts["en"]] == ["2"]
    assert [text.id for text in corpus.texts["fr"]] == ["3", "2"]


def test_repeated_ids_are_refused() -> None:
    with pytest.raises(ValueError, match="each id of language 'en' once"):
        ParallelCorpus({"en": texts("en", ["1", "1"])})


def test_files_of_different_formats_and_orders(tmp_path: Path) -> None:
    (tmp_path / "en.txt").write_text("b\tHello.\na\tWater.\n")
    (tmp_path / "eo.tsv").write_text("text\tid\nAkvo.\ta\nSaluton.\tb\n")
    corpus = read_parallel({"en": tmp_path / "en.txt", "eo": tmp_path / "eo.tsv"})
    left, right = corpus.pair("en", "eo")
    assert [(one.text, two.text) for one, two in zip(left, right, strict=True)] == [
        ("Hello.", "Saluton."), ("Water.", "Akvo.")
    ]  # fmt: skip

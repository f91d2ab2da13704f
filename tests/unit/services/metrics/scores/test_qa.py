"""EM and F1: the known cases of each normaliser, and an independent writing of SQuAD's rules."""

import re
import string

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.metrics.scores.normalisers import NORMALISERS, default_for
from services.metrics.scores.qa import answer_scores
from services.runtime.errors import InvalidArgument
from tests.support.scored import figures, question, taken, text, values


@pytest.mark.parametrize(
    ("normaliser", "language", "predicted", "gold", "expected"),
    [
        ("squad", "en", "the", "The", (1, 0)),
        ("squad", "en", "The cat!", "cat", (1, 1)),
        ("squad", "en", "a big cat", "the cat", (0, 2 / 3)),
        ("squad", "en", "cat cat", "cat", (0, 2 / 3)),
        ("squad", "zh", "天氣好", "天氣很好", (0, 0)),
        ("squad", "es", "el gato", "gato", (0, 2 / 3)),
        ("char", "zh", "天氣好", "天氣很好", (0, 6 / 7)),
        ("char", "zh", "天 氣 好", "天氣好。", (1, 1)),
        ("char", "ja", "カナ", "カナです", (0, 2 / 3)),
        ("char", "ja", "東京タワー", "東京スカイ", (0, 2 / 5)),
        ("char", "zh", "ABC 公司", "abc公司", (1, 1)),
        ("char", "fr", "l’été", "l’e\u0301te\u0301", (1, 1)),
        ("char", "th", "ไทย", "ไท", (0, 4 / 5)),
        ("char", "jv-Java", "ꦗꦮ", "ꦗ", (0, 2 / 3)),
        ("char", "nod", "ᩉᩃᩢ", "ᩉᩃ", (0, 4 / 5)),
        ("char", "zh", "2020 年", "2020年", (1, 1)),
        ("char", "ar", "البيت", "بيت", (1, 1)),
        ("char", "ar", "خالد", "خ لد", (0, 0)),
        ("char", "ru", "«Москва»", "москва", (1, 1)),
        ("char", "hi", "दिल्ली।", "दिल्ली", (1, 1)),
        ("mlqa", "zh", "天氣好", "天氣很好", (0, 6 / 7)),
        ("mlqa", "zh", "カナ", "カナです", (0, 0)),
        ("mlqa", "zh", "서울", "서울시", (0, 0)),
        ("mlqa", "zh", "中文abc", "中文 abc", (1, 1)),
        ("mlqa", "hi", "दिल्ली।", "दिल्ली", (1, 1)),
        ("mlqa", "ar", "خالد", "خ د", (1, 1)),
        ("mlqa", "es", "¡el gato!", "gato", (1, 1)),
        ("mlqa", "de", "der Hund", "Hund", (1, 1)),
        ("mlqa", "en", "“The” cat", "cat", (1, 1)),
        ("mlqa", "vi", "những con mèo", "con mèo", (1, 1)),
        ("korquad", "ko", "《서울》", "서울", (1, 1)),
        ("korquad", "ko", "서울시", "서울", (0, 4 / 5)),
        ("korquad", "ko", "‘서울’ (특별시)", "서울 특별시", (1, 1)),
        ("korquad", "ko", "the 서울", "서울", (0, 4 / 7)),
        ("korquad", "ko", "서 울", "서울", (0, 1)),
    ],
)
def test_known_cases(normaliser, language, predicted, gold, expected):
    found = answer_scores(predicted, gold, NORMALISERS[normaliser], language)
    assert found == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize(
    ("language", "name"),
    [
        ("en", "squad"), ("de", "squad"), ("vi", "squad"), ("es-MX", "squad"), ("sr-Latn", "squad"), ("zh", "char"),
        ("zh-Hant-TW", "char"), ("ja", "char"), ("th", "char"), ("ar", "char"), ("ru", "char"), ("hi", "char"),
        ("ko", "korquad"),
    ],
)  # fmt: skip
def test_the_language_chooses_the_normaliser_and_the_answer_names_it(language, name):
    assert default_for(language).name == name
    found = figures("qa", [(text("x"), question("x"))], language)
    assert {key[1] for key in found} == {name}
    assert all(f"norm:{name}|lang:{language}" in one.signature for one in found.values())


def test_best_over_gold_answers_times_100_and_unanswered_counts_0():
    items = [
        (text("big cat"), question("dog", "a cat")),
        (text(" "), question("The")),
        (question(), question("dog")),
        (question("dog"), question("Dog")),
    ]
    assert values("qa", items) == {("em", "squad"): 25.0, ("f1", "squad"): pytest.approx(100 * (2 / 3 + 1) / 4)}
    (one, *_) = figures("qa", items).values()
    assert one.warnings == ("2 of 4 questions have no predicted answer and count 0",)


@pytest.mark.parametrize("gold", [question(""), question("", " ")])
def test_gold_answers_without_text_are_refused(gold):
    with pytest.raises(InvalidArgument) as error:
        taken("qa", [(text("x"), gold)])
    assert error.value.field == "items[0].gold.question.answers"
    assert "placeholders" in error.value.problem


def test_questions_that_cannot_be_answered_as_in_squad_2():
    """Figures of the script of SQuAD 2.0 for these items."""
    items = [
        (text(""), question()),  # right
        (text("The"), question()),  # right: an article alone is nothing
        (text("dog"), question()),  # wrong
        (text("big cat"), question("a cat", "dog")),  # F1 2/3
        (text("dog"), question("Dog")),  # right
        (question(), question("dog")),  # wrong
    ]
    third = pytest.approx(100 / 3)
    assert values("qa", items) == {
        ("em", "squad"): 50.0,
        ("f1", "squad"): pytest.approx(100 * (3 + 2 / 3) / 6),
        ("em_no_answer", "squad"): pytest.approx(200 / 3),
        ("f1_no_answer", "squad"): pytest.approx(200 / 3),
        ("em_has_answer", "squad"): third,
        ("f1_has_answer", "squad"): pytest.approx(100 * (5 / 3) / 3),
    }
    (one, *_) = figures("qa", items).values()
    assert one.warnings == ("1 of 6 questions have no predicted answer and count 0",)
    assert set(values("qa", items[:2])) == {(name, "squad") for name in ("em", "f1", "em_no_answer", "f1_no_answer")}


def test_a_corpus_without_any_answer_is_refused():
    with pytest.raises(InvalidArgument, match="none of 20 has any"):
        taken("qa", [(text(""), question())] * 20).table()


@pytest.mark.parametrize(
    ("language", "options", "field"),
    [("", {}, "spec.language"), ("en", {"normaliser": "bert"}, "spec.options[normaliser]")],
)
def test_the_normaliser_must_be_known(language, options, field):
    with pytest.raises(InvalidArgument) as error:
        taken("qa", [], language, **options)
    assert error.value.field == field


def reference(predicted, gold):
    """SQuAD's rules in regular expressions, and F1 by removing tokens one at a time."""

    def normal(answer):
        kept = re.sub(f"[{re.escape(string.punctuation)}]", "", answer.lower())
        return re.sub(r"\b(a|an|the)\b", " ", kept).split()

    found, right = normal(predicted), normal(gold)
    left, common = list(right), 0
    for token in found:
        if token in left:
            left.remove(token)
            common += 1
    if not common:
        return float(found == right), 0.0
    precision, recall = common / len(found), common / len(right)
    return float(found == right), 2 * precision * recall / (precision + recall)


@given(*[st.lists(st.sampled_from(["The", "a", "cat", "cat,", "dog!", "-", "x"]), max_size=6).map(" ".join)] * 2)
@settings(max_examples=200, deadline=None)
def test_squad_agrees_with_rules_written_otherwise(predicted, gold):
    assert answer_scores(predicted, gold, NORMALISERS["squad"], "en") == pytest.approx(reference(predicted, gold))

"""Scores by language tag: the same figures in every spelling."""

import pytest
from babelscope.data.examples import Example

from services.metrics.scores.normalisers import default_for
from services.metrics.scores.registry import SCORES
from services.metrics.scores.tokens import TokenOptions
from tests.support.language_tags import all_spellings
from tests.support.scored import figures, pair, question, tagged, taken, text, tree, values

CHINESE = ("zh", "cmn", "zho", "zh_CN", "ZH", "zh-Hant", "yue", "zho_Hans", "und-Hani")


@pytest.mark.parametrize("tag", CHINESE)
def test_chinese_answers_are_compared_by_characters(tag: str) -> None:
    found = values("qa", [(text("天气很好。"), question("天气好"))], tag)
    assert found["f1", "char"] == pytest.approx(600 / 7)


@pytest.mark.parametrize("tag", ["ar", "ara", "arb", "arz", "ary", "arb_Arab", "AR_EG"])
def test_the_arabic_article_is_no_difference(tag: str) -> None:
    assert values("qa", [(text("القاهرة"), question("قاهرة"))], tag)["em", "char"] == 100


@pytest.mark.parametrize(
    ("tags", "predicted", "gold", "f1"),
    [
        (("ja", "jpn", "JA_jp", "jpn_Jpan"), "カナ", "カナです", 200 / 3),
        (("th", "tha", "th_TH"), "ไทย", "ไท", 80),
        (("ko", "kor", "ko-KR", "kor_Hang"), "서울시", "서울", 80),
        (("de", "deu", "ger", "xx", "l1", "en2"), "ein Hund", "Hund", 200 / 3),
    ],
)
def test_f1_in_every_spelling(tags: tuple[str, ...], predicted: str, gold: str, f1: float) -> None:
    for tag in tags:
        found = values("qa", [(text(predicted), question(gold))], tag)
        assert {key: value for key, value in found.items() if key[0] == "f1"} == {
            ("f1", default_for(tags[0]).name): pytest.approx(f1)
        }


@pytest.mark.parametrize("tag", [*CHINESE, "jpn", "tha", "lao", "khm", "mya", "wuu"])
def test_bleu_counts_characters_without_spaces(tag: str) -> None:
    assert values("bleu1", [(text("天气很好"), text("天气好"))], tag)["bleu1", "corpus"] == 75


@pytest.mark.parametrize("tag", ["en", "kor", "zh-Latn", "xx", ""])
def test_bleu_counts_words_elsewhere(tag: str) -> None:
    assert values("bleu1", [(text("a b b"), text("a c"))], tag)["bleu1_precision", "corpus"] == pytest.approx(100 / 3)


@pytest.mark.parametrize("normaliser", ["squad", "mlqa", "char", "korquad", ""])
def test_all_spellings_score_alike(normaliser: str) -> None:
    items = [(text("El the 天气很好。 القاهرة der những 서울"), question("天气好 قاهرة the 서울시"))]
    options = {"normaliser": normaliser} if normaliser else {}
    for short, tag in all_spellings():
        assert values("qa", items, tag, **options) == values("qa", items, short, **options), tag
        assert TokenOptions().unit(tag) == TokenOptions().unit(short), tag


ITEMS: dict[str, list[tuple[Example, Example]]] = {
    "bleu1": [(text("天气很好 İI la casa"), text("天气好 ıi the casa"))],
    "convert_rate": [(text("le chat 天气很好"), text("le chat 天气好", source="the cat 天"))],
    "nli": [(pair("neutral"), pair("neutral")), (pair("entailment"), pair("neutral"))],
    "parsing": [(tree((2, "det"), (0, "root"), (2, "obl:tmod")), tree((2, "det"), (0, "root"), (2, "obl")))],
    "span_f1": [(tagged("B-PER I-PER O B-LOC"), tagged("B-PER I-PER O B-ORG"))],
    "tagging": [(tagged("NOUN VERB", field="upos"), tagged("NOUN NOUN", field="upos"))],
}
"""Predictions and gold of every other score."""


@pytest.mark.parametrize("name", sorted(ITEMS))
def test_all_spellings_score_alike_by_every_other_score(name: str) -> None:
    def counts(tag: str) -> tuple[object, ...]:
        table = taken(name, ITEMS[name], tag).table()
        return table.rows.tolist(), [(one.metric, one.estimator) for one in table.figures], table.warnings

    for short, tag in all_spellings():
        assert counts(tag) == counts(short), tag


def test_no_score_is_left_out() -> None:
    assert {*ITEMS, "qa"} == set(SCORES)


def test_the_tag_stays_as_it_was_written_in_the_signature() -> None:

    found = figures("qa", [(text("x"), question("x"))], "zho_Hans")
    assert all("lang:zho_Hans" in one.signature for one in found.values())


@pytest.mark.parametrize(
    ("tag", "name"),
    [
        ("am", "char"), ("be", "char"), ("dv", "char"), ("kk", "char"), ("ug", "char"), ("yi", "char"), ("bo", "char"),
        ("uz", "squad"), ("sr", "char"), ("sh", "squad"), ("ja-Latn", "squad"), ("ko-Latn", "squad"), ("xx", "squad"),
        ("xx-Cyrl", "char"), ("pa", "char"), ("pa-Arab", "char"), ("ms-Arab", "char"), ("sd", "char"),
    ],
)  # fmt: skip
def test_the_script_chooses_the_normaliser(tag: str, name: str) -> None:
    assert default_for(tag).name == name

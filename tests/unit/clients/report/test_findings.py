"""Sentences are made from the numbers."""

from dataclasses import replace

import pytest
import scipy.stats
from babelscope.report.findings import effects, find, leading, percent, spearman
from babelscope.report.numbers import LayerMeasure, Numbers, chance_by_layer, mean_by_layer
from babelscope.study.result import Row, StudyResult, Variant
from hypothesis import given
from hypothesis import strategies as st

MODEL = "m"
CKA = LayerMeasure("similarity", "cka", "debiased")


def row(target: str, layer: int, value: float, reinit: str = "", **other: object) -> Row:
    plain = Row("similarity", "cka", "debiased", MODEL, reinit, "mean", "en", target, layer, value, value - 0.1,
                value + 0.1, 50, 0.01, 0.002)  # fmt: skip
    return replace(plain, **other)


ROWS = (
    row("fr", 0, 0.2), row("fr", 1, 0.8), row("fr", 2, 0.6),
    row("zh", 0, 0.0), row("zh", 1, 0.1), row("zh", 2, 0.2),
    row("fr", 0, 0.2, "1@0"), row("fr", 1, 0.3, "1@0"), row("fr", 2, 0.1, "1@0"),
    row("zh", 0, 0.0, "1@0"), row("zh", 1, 0.0, "1@0"), row("zh", 2, 0.1, "1@0"),
    row("fr", 0, 0.2, "2@0"), row("fr", 1, 0.8, "2@0"), row("fr", 2, 0.55, "2@0"),
)  # fmt: skip


def study(*rows: Row) -> StudyResult:
    variants = (Variant(MODEL, ""), Variant(MODEL, "1@0", "1", (1,)), Variant(MODEL, "2@0", "2", (2,)))
    return StudyResult({"sources": ["en"]}, (), variants, (), (), rows)


def test_means_and_effects() -> None:
    result = study(*ROWS)
    numbers = Numbers(result)
    assert mean_by_layer(numbers.of(CKA, MODEL)) == pytest.approx({0: 0.1, 1: 0.45, 2: 0.4})
    assert chance_by_layer(numbers.of(CKA, MODEL))[1] == pytest.approx((0.01, 0.002))
    first, second = effects(result, numbers, CKA, MODEL, "en")
    assert first.deltas == pytest.approx({0: 0.0, 1: -0.3, 2: -0.3})
    # Only French was measured under the second: its effect is on French alone.
    assert (second.pairs, second.deltas) == (1, pytest.approx({0: 0.0, 1: 0.0, 2: -0.05}))


def test_sentences() -> None:
    result = study(*ROWS)
    peak, closest, drawn = find(result, Numbers(result), MODEL)
    assert (peak.figure, peak.caption) == ("0.45", "mean CKA at its peak, layer 1")
    assert peak.text == (
        "Mean CKA between English and 2 other languages goes from 0.10 at the embeddings to its peak, 0.45 at layer "
        "1, and is 0.40 at layer 2. The chance level there, from shuffled sentences, is +0.01 ± 0.002."
    )
    assert "French is most similar to English (0.80, 95 % interval 0.70 to 0.90)" in closest.text
    assert "Chinese least similar (0.10, 0.00 to 0.20), not above chance" in closest.text
    assert drawn.figure == "−0.30"
    assert drawn.text == (
        "Re-initialising layers 1 changes CKA between English and other languages at layer 2 the most, by −0.30 on "
        "average over 2 pairs; "
        "−0.05 for layers 2."
    )


def test_the_largest_change_leads_whatever_its_sign() -> None:
    raised = [replace(each, value=each.value + 0.9) if each.reinit == "2@0" else each for each in ROWS]
    result = study(*raised)
    drawn = find(result, Numbers(result), MODEL)[-1]
    assert drawn.figure == "+0.85"
    assert drawn.text.endswith("by +0.85 on average over 1 pair; −0.30 for layers 1.")


def test_retrieval_is_read_as_a_share() -> None:
    rows = [
        row(target, layer, value, kind="retrieval", metric="p@1", estimator="csls", null_mean=0.001, source=source)
        for source, target, layer, value in (("en", "fr", 0, 0.02), ("en", "fr", 1, 0.5), ("fr", "en", 1, 0.9))
    ]
    result = study(*rows)
    (finding,) = find(result, Numbers(result), MODEL)
    assert finding.figure == "50 %"
    assert (
        "the nearest neighbour at layer 1 is its translation in 50 % of cases on average over 1 language; chance is "
        "0.1 %" in finding.text
    )


@pytest.mark.parametrize(("values", "said"), [
    ((0.5, 0.4, 0.3), "is highest at the embeddings (0.50) and 0.30 at layer 2"),
    ((0.1, 0.2, 0.3), "rises from 0.10 at the embeddings to 0.30 at layer 2"),
])  # fmt: skip
def test_other_courses(values: tuple[float, ...], said: str) -> None:
    result = study(*(row("fr", layer, value) for layer, value in enumerate(values)))
    assert said in find(result, Numbers(result), MODEL)[0].text


def test_the_leading_measure() -> None:
    biased, svcca = LayerMeasure("similarity", "cka", "biased"), LayerMeasure("similarity", "svcca", "mean")
    assert leading((svcca, biased, CKA), "similarity") == CKA
    assert leading((svcca, biased), "similarity") == biased
    assert leading((), "similarity") is None
    centred = LayerMeasure("retrieval", "p@1", "csls", centred=True)
    assert leading((centred, LayerMeasure("retrieval", "p@1", "cosine")), "retrieval") != centred


@pytest.mark.parametrize(("value", "text"), [(0.344, "34 %"), (0.05, "5.0 %"), (0.001, "0.1 %"), (0.0002, "0.02 %")])
def test_shares(value: float, text: str) -> None:
    assert percent(value) == text


def test_similarity_is_found_in_either_order_and_retrieval_is_not() -> None:
    numbers = Numbers(study(*ROWS, row("fr", 0, 0.5, kind="retrieval", metric="p@1", estimator="csls")))
    assert numbers.find(CKA, MODEL, "", "fr", "en") is numbers.find(CKA, MODEL, "", "en", "fr")
    assert numbers.find(LayerMeasure("retrieval", "p@1", "csls"), MODEL, "", "fr", "en") is None


@given(st.lists(st.tuples(st.integers(-4, 4), st.integers(-4, 4)), min_size=3, max_size=12))
def test_spearman_is_scipy_s(pairs: list[tuple[int, int]]) -> None:
    x, y = [float(one) for one, _ in pairs], [float(two) for _, two in pairs]
    expected = scipy.stats.spearmanr(x, y).statistic if len({*x}) > 1 and len({*y}) > 1 else 0.0
    assert spearman(x, y) == pytest.approx(expected, abs=1e-12)


def test_similarity_and_retrieval_are_held_against_each_other() -> None:
    rows = []
    for at, language in enumerate(("fr", "de", "zh", "ja", "ru", "tr")):
        # Most alike at layer 1, in the one order; most found at layer 2, in the other.
        for layer, value, share in ((1, 0.5 + 0.05 * at, 0.3 - 0.05 * at), (2, 0.1 + 0.05 * at, 0.4 + 0.05 * at)):
            rows.append(row(language, layer, value))
            rows.append(row(language, layer, share, kind="retrieval", metric="p@1", estimator="csls"))
    result = study(*rows)
    last = find(result, Numbers(result), MODEL)[-1]
    assert last.figure == "ρ = +1.00"
    assert last.text.startswith(
        "At layer 2, where retrieval is highest, CKA and P@1 rank the 6 languages in much the same order "
        "(ρ = +1.00); at layer 1, where CKA is highest, in different orders (ρ = −1.00). A similarity that retrieval"
    )
    fewer = study(*rows[:20])
    assert not find(fewer, Numbers(fewer), MODEL)[-1].figure.startswith("ρ")


def test_no_sentence_takes_a_distance_for_a_similarity() -> None:
    rows = [replace(each, metric="procrustes", estimator="distance") for each in ROWS]
    result = study(*rows)
    assert find(result, Numbers(result), MODEL) == []

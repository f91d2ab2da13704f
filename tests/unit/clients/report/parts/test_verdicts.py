"""What the parts on token translation and on the gap say of the papers' effects."""

import pytest
from babelscope.report.parts import gap, token_translation
from babelscope.study.sections.gap import GapCorrelation, GapPoint
from babelscope.token_translation.records import ShiftFigure, ShiftScores, TokenTranslation


def _scores(layer: int | None, alpha: float, bleu: float, rate: float) -> ShiftScores:
    values = {"bleu1": bleu, "convert_rate": rate}
    return ShiftScores(layer, alpha, tuple(ShiftFigure(name, value, 0, 100, 9, "") for name, value in values.items()))


def _translation(target: str, plain: float, shifted: list[tuple[float, float]]) -> TokenTranslation:
    settings = [_scores(None, 0, plain, 0.1)]
    settings += [_scores(3, alpha, bleu, rate) for alpha, (bleu, rate) in enumerate(shifted, start=1)]
    return TokenTranslation("small", "d", "en", target, 9, 90, 90, 20, 20, 2, tuple(settings))


RISING = [(2.0, 0.2), (5.0, 0.4), (4.0, 0.9)]
FALLING = [(2.0, 0.2), (1.0, 0.1), (0.5, 0.05)]


@pytest.mark.parametrize(
    ("records", "figure", "verdict"),
    [
        ([_translation("es", 1.0, RISING), _translation("zh", 1.0, RISING)], "2 of 2", "appears here."),
        ([_translation("es", 9.0, FALLING), _translation("zh", 9.0, FALLING)], "0 of 2", "does not appear here."),
        ([_translation("es", 9.0, RISING), _translation("zh", 9.0, RISING)], "0 of 2", "appears here in part."),
    ],
)
def test_token_translation_appears_where_rate_and_bleu_rise(
    records: list[TokenTranslation], figure: str, verdict: str
) -> None:
    [found] = token_translation.findings(records, None)  # type: ignore[arg-type]
    assert found.figure == figure
    assert verdict in found.text


@pytest.mark.parametrize(
    ("value", "p", "said"), [(-0.9, 0.01, "appears here"), (-0.3, 0.4, "not appear clearly"), (0.9, 0.01, "not appear")]
)
def test_the_gap_goes_with_similarity_where_it_is_negative_and_clear(value: float, p: float, said: str) -> None:
    points = tuple(GapPoint(target, 0.5, 1.0) for target in ("es", "ru", "tr", "zh"))
    of = ("small", "pos", "en", "pretrained", "cka", "debiased")
    records = [GapCorrelation(*of, layer, points, "spearman", value, -1, 1, p, "") for layer in (None, 3)]
    [found] = gap.findings(records, None)  # type: ignore[arg-type]
    assert said in found.text
    assert found.figure == f"{value:.2f}".replace("-", "−")

"""The scores of each item as the client has them: names of columns, rows, answers that are cut short."""

import numpy as np
import pytest
from babelscope.calls.scoring import ScoreWork
from babelscope.data.examples import Example
from babelscope.data.items import ItemScores
from babelscope.errors import DataCorrupted
from babelscope.v1 import metrics_pb2 as pb

ITEMS = [("a", Example(str(number), "a", "fr")) for number in range(3)]
FIGURE = pb.ScoreTextResponse(estimates=pb.Estimates(estimates=[pb.Estimate(metric="uas", estimator="all")]))


def part(ids: str, *columns: tuple[str, str], values: int | None = None) -> pb.ScoreTextResponse:
    count = len(ids) if values is None else values
    figures = [pb.ItemFigure(metric=a, estimator=b, values=[float(len(b))] * count) for a, b in columns]
    return pb.ScoreTextResponse(item_scores=pb.ItemScores(ids=list(ids), languages=["fr"] * len(ids), figures=figures))


TWO = (("uas", "all"), ("uas", "no_punct"), ("f1", "x"))


def folded(*answers: pb.ScoreTextResponse, wanted: bool = True) -> ItemScores | None:
    work = ScoreWork("parsing", ITEMS, "fr", {}, wanted)
    assert next(work.requests()).spec.item_scores is wanted
    fold = work.fold()
    for answer in answers:
        fold.receive(answer)
    return fold.finish().items


def test_columns_are_named_by_metric_and_where_need_be_estimator() -> None:
    found = folded(FIGURE, part("01", *TWO), part("2", *TWO))
    assert found is not None
    assert (found.ids, found.languages) == (("0", "1", "2"), ("fr",) * 3)
    assert list(found.columns) == ["uas:all", "uas:no_punct", "f1"]
    assert found.values("uas:no_punct").tolist() == [8.0] * 3
    with pytest.raises(LookupError, match="Expected a figure of uas:all, uas:no_punct, f1, but got 'uas'"):
        found.values("uas")


def test_rows_have_nothing_where_an_item_does_not_determine_a_figure() -> None:
    found = ItemScores(("a", "b"), ("", "en"), {("f1", "char"): np.array([50.0, np.nan])})
    assert list(found.table()) == [{"id": "a", "language": "", "f1": 50.0}, {"id": "b", "language": "en", "f1": None}]


def test_none_where_none_were_asked_for() -> None:
    assert folded(FIGURE, wanted=False) is None


@pytest.mark.parametrize(
    ("answers", "words"),
    [
        ([FIGURE], "the scores of 3 items, but the answer has those of 0"),
        ([FIGURE, part("01", *TWO)], "the scores of 3 items, but the answer has those of 2"),
        ([FIGURE, part("01", *TWO), part("2", TWO[0])], "the same figures in all parts"),
        ([FIGURE, part("012", *TWO, values=2)], "Expected 3 values a figure, but got"),
    ],
)
def test_answers_that_are_cut_short_are_corrupted(answers: list[pb.ScoreTextResponse], words: str) -> None:
    with pytest.raises(DataCorrupted, match=words):
        folded(*answers)

"""Confusion matrices and F1 by label and type, against scikit-learn and by hand."""

from collections import Counter

import numpy as np
import pytest
from babelscope.data.examples import Example, Sentence, Word
from sklearn.metrics import confusion_matrix, f1_score

from services.metrics.scores.base import Score
from services.metrics.scores.confusion import MISSING, confusion
from services.metrics.scores.span_f1 import SpanF1, SpanF1Options
from services.metrics.scores.tagging import Tagging, TaggingOptions
from services.runtime.errors import InvalidArgument

TAGS = ("NOUN", "VERB", "ADJ")


def _sentences(field: str, gold: list[list[str]], said: list[list[str]], score: Score) -> Score:
    for number, (right, found) in enumerate(zip(gold, said, strict=True)):
        pair = [
            Example(
                str(number), Sentence(tuple(Word(f"w{at}", **{field: tag}) for at, tag in enumerate(tags)), "w"), "en"
            )
            for tags in (found, right)
        ]
        score.add(pair[0], pair[1], f"items[{number}]")
    return score


def _values(score: Score) -> dict[tuple[str, str, str], float]:
    table = score.table()
    sums = table.rows.sum(axis=0)
    return {(each.metric, each.left, each.right): float(each.of(sums)) for each in table.figures}


def test_tags_against_scikit_learn() -> None:
    rng = np.random.default_rng(4)
    gold = [[TAGS[at] for at in rng.integers(0, 3, 7)] for _ in range(40)]
    said = [[tag if rng.random() < 0.7 else TAGS[int(rng.integers(0, 3))] for tag in tags] for tags in gold]
    found = _values(_sentences("upos", gold, said, Tagging("en", TaggingOptions(confusion=True))))
    right, predicted = sum(gold, []), sum(said, [])  # noqa: RUF017
    matrix = confusion_matrix(right, predicted, labels=TAGS)
    f1 = f1_score(right, predicted, labels=TAGS, average=None)
    for row, tag in enumerate(TAGS):
        assert found["label_f1", tag, "gold"] == pytest.approx(100 * f1[row])
        for column, other in enumerate(TAGS):
            assert found["confusion", tag, other] == matrix[row, column]


def test_what_has_no_prediction_is_a_column_of_its_own() -> None:
    score = _sentences("upos", [["NOUN", "VERB"]], [["", "VERB"]], Tagging("en", TaggingOptions(confusion=True)))
    found = _values(score)
    assert found["confusion", "NOUN", MISSING] == 1
    assert (found["label_f1", "NOUN", "gold"], found["label_f1", "VERB", "gold"]) == (0, 100)
    assert all(
        metric == "accuracy"
        for metric, _, _ in _values(
            _sentences("upos", [["NOUN", "VERB"]], [["", "VERB"]], Tagging("en", TaggingOptions()))
        )
    )


def test_spans_by_type() -> None:
    gold = [["B-PER", "I-PER", "O", "B-LOC"], ["B-LOC", "O", "B-ORG", "O"]]
    said = [["B-PER", "I-PER", "O", "B-ORG"], ["B-LOC", "O", "O", "B-PER"]]
    found = _values(_sentences("ner", gold, said, SpanF1("en", SpanF1Options(types=True))))
    by_type = {left: value for (metric, left, _), value in found.items() if metric == "type_f1"}
    assert by_type == {"PER": pytest.approx(200 / 3), "LOC": pytest.approx(200 / 3), "ORG": 0.0}
    assert found["f1", "prediction", "gold"] == pytest.approx(50.0)


def test_too_many_labels_are_refused() -> None:
    with pytest.raises(InvalidArgument, match="at most 64 labels, but got 65"):
        confusion([Counter({(str(number), "a"): 1 for number in range(64)})], 0)

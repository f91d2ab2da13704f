"""Scores against the field's packages: sacreBLEU, seqeval, scikit-learn."""

import random
import warnings

import numpy as np
import pytest

from services.metrics.scores.span_f1 import spans
from tests.support.scored import figures, pair, tagged, text, values

sacrebleu = pytest.importorskip("sacrebleu")
with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # seqeval's imports warn of NumPy's past
    seqeval = pytest.importorskip("seqeval.metrics.sequence_labeling")


@pytest.mark.parametrize("seed", range(5))
def test_bleu1_is_sacrebleus_of_order_1(seed):
    rng = random.Random(seed)
    said = [" ".join(rng.choices("abcde", k=rng.randint(1, 9 - seed))) for _ in range(30)]
    gold = [" ".join(rng.choices("abcdef", k=rng.randint(1, 9))) for _ in range(30)]
    metric = sacrebleu.metrics.BLEU(max_ngram_order=1, tokenize="none", smooth_method="none", force=True)
    expected = metric.corpus_score(said, [gold])
    found = values("bleu1", [(text(a), text(b)) for a, b in zip(said, gold, strict=True)])
    assert found["bleu1", "corpus"] == pytest.approx(expected.score, rel=1e-9)
    assert found["bleu1_precision", "corpus"] == pytest.approx(expected.precisions[0], rel=1e-9)
    assert found["brevity_penalty", "corpus"] == pytest.approx(expected.bp, rel=1e-9)


@pytest.mark.parametrize("seed", range(20))
def test_spans_are_seqevals_where_types_agree(seed):
    rng = random.Random(seed)
    tags = rng.choices(["O", "B-X", "I-X", "B-Y", "I-Y"], k=30)
    expected = [(start, end + 1, kind) for kind, start, end in seqeval.get_entities(tags)]
    assert spans(tags, last_type=False) == expected


def test_span_f1_is_seqevals():
    rng = random.Random(1)
    said, gold = ([rng.choices(["O", "B-X", "I-X", "B-Y", "I-Y"], k=12) for _ in range(40)] for _ in range(2))
    found = values("span_f1", [(tagged(a), tagged(b)) for a, b in zip(said, gold, strict=True)], repair="conll")
    assert found["f1", "micro"] == pytest.approx(100 * seqeval.f1_score(gold, said), rel=1e-9)
    assert found["precision", "micro"] == pytest.approx(100 * seqeval.precision_score(gold, said), rel=1e-9)
    assert found["recall", "micro"] == pytest.approx(100 * seqeval.recall_score(gold, said), rel=1e-9)


def test_confusion_is_scikit_learns():
    metrics = pytest.importorskip("sklearn.metrics")
    rng = random.Random(2)
    labels = ["contradiction", "entailment", "neutral"]
    said, gold = (rng.choices(labels, k=90) for _ in range(2))
    found = figures("nli", [(pair(a), pair(b)) for a, b in zip(said, gold, strict=True)])
    cells = np.array([[found["confusion", "count", a, b].value for b in labels] for a in labels])
    assert (cells == metrics.confusion_matrix(gold, said)).all()
    assert found["accuracy", "micro", "prediction", "gold"].value == pytest.approx(
        100 * metrics.accuracy_score(gold, said)
    )

"""Pairs without a label: those of no agreement are `-`, as SNLI and MultiNLI have them."""

from babelscope.data.examples import Example, TextPair

from services.models.tokens.tokenization import Tokenizer
from services.trainer.data.pieces import NO_TARGET, Counts
from services.trainer.evaluation.sets import prepare
from services.trainer.tasks import make_task
from services.trainer.tasks.base import Cutting

PAIRS = [
    Example(str(place), TextPair("The cat sleeps.", "The cat rests.", label), "en")
    for place, label in enumerate(("entailment", "-", "neutral", "", " - "))
]


def test_no_agreement_is_no_label(tokenizer: Tokenizer) -> None:
    task, counts = make_task("nli", {}), Counts()
    labels = task.labels(PAIRS)
    assert labels == {"label": ("entailment", "neutral")}
    pieces = task.cut(PAIRS, 0, Cutting(tokenizer, 64, labels), counts)
    assert [int(piece.targets["label"][0]) for piece in pieces] == [0, NO_TARGET, 1, NO_TARGET, NO_TARGET]
    assert (counts.unlabelled, counts.lost, counts.unknown) == (3, 0, set())
    assert [task.scored(each) for each in PAIRS] == [True, False, True, False, False]


def test_pairs_without_a_label_are_counted_and_no_errors(tokenizer: Tokenizer) -> None:
    task = make_task("nli", {})
    prepared = prepare(task, Cutting(tokenizer, 64, task.labels(PAIRS)), PAIRS, "en", "made")
    assert prepared.warnings == ("3 of 5 examples of made have no label",)

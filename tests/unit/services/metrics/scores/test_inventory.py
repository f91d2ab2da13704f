"""Labels that gold does not have: counted, named with what is near, or refused where they are numbers."""

from collections import Counter

import pytest

from services.metrics.scores.inventory import outside
from services.runtime.errors import InvalidArgument
from tests.support.scored import figures, pair, tagged, taken, text, tree

NLI = ("contradiction", "neutral", "entailment")


def nli(*labels: tuple[str, str], **options: str) -> tuple[float, tuple[str, ...], dict[tuple[str, str], float]]:
    """Accuracy, warnings and cells of (gold, predicted) labels."""
    items = [(text(said, str(i)), pair(gold, str(i))) for i, (gold, said) in enumerate(labels)]
    found = figures("nli", items, **options)
    accuracy = found["accuracy", "micro", "prediction", "gold"]
    cells = {key[2:]: one.value for key, one in found.items() if key[0] == "confusion" and one.value}
    return accuracy.value, accuracy.warnings, cells


def test_strange_labels_are_errors_and_named() -> None:
    said = ("contradictory", "Neutral", "entailment")
    accuracy, warnings, cells = nli(*zip(NLI, said, strict=True), ("neutral", "Neutral"))
    assert accuracy == 25
    assert warnings == (
        "3 of 4 predicted labels are none of gold's and count as errors: 'Neutral' (2 times, did you mean 'neutral'?), "
        "'contradictory' (1 time, did you mean 'contradiction'?)",
    )
    assert cells["neutral", "Neutral"] == 2


def test_labels_of_gold_are_no_matter() -> None:
    assert nli(*((label, "neutral") for label in NLI))[1] == ()


@pytest.mark.parametrize("said", [("0", "1", "2"), ("neutral", "entailment", "2"), ("2.0", "1.0", "0.0")])
def test_numbers_against_names_are_refused(said: tuple[str, ...]) -> None:
    with pytest.raises(InvalidArgument, match=r"such as 'contradiction', 'entailment', 'neutral', but got the numbers"):
        nli(*zip(NLI, said, strict=True))
    with pytest.raises(InvalidArgument, match=r"Expected gold labels such as .*: the option `labels` tells"):
        nli(*((gold, name) for gold, name in zip(("0", "1", "2"), NLI, strict=True)))


def test_numbers_are_named_where_told() -> None:
    labels = "entailment, neutral,contradiction"
    assert nli(*zip(NLI, ("2", "1", "0.0"), strict=True), labels=labels)[:2] == (100, ())
    assert nli(*zip(("2", "1", "0"), NLI, strict=True), labels=labels)[:2] == (100, ())
    assert nli(("0", "0"), ("1", "2"))[0] == 50
    with pytest.raises(InvalidArgument, match=r"Expected a number within 0\.\.2, as `labels` has names, but got '3'"):
        nli(("neutral", "3"), labels=labels)
    for wrong in ("a,,b", "a,a", ","):
        with pytest.raises(InvalidArgument, match="Expected different names separated by commas"):
            nli(("neutral", "1"), labels=wrong)


def test_gold_without_label_is_left_out_and_counted() -> None:
    accuracy, warnings, cells = nli(("-", "neutral"), ("neutral", "neutral"), ("entailment", "-"), ("-", "-"))
    assert accuracy == 50
    assert cells == {("neutral", "neutral"): 1, ("entailment", "-"): 1}
    assert warnings == (
        "2 of 4 items have no gold label ('-') and are left out",
        "1 of 2 predicted labels are none of gold's and count as errors: '-' (1 time)",
    )
    with pytest.raises(InvalidArgument, match="all 2 are '-'"):
        nli(("-", "a"), ("-", "b"))


def test_gold_of_the_unknown_class_is_left_out_where_it_is_no_class() -> None:
    """The datasets of the hub have -1 where SNLI has `-`."""
    accuracy, warnings, cells = nli(("0", "0"), ("1", "0"), ("-1", "2"), ("2", "2"))
    assert accuracy == pytest.approx(200 / 3)
    assert warnings == ("1 of 4 items have no gold label ('-1') and are left out",)
    assert cells == {("0", "0"): 1, ("1", "0"): 1, ("2", "2"): 1}
    labels = "entailment,neutral,contradiction"
    assert nli(("0", "entailment"), ("1", "-1"), ("-1", "neutral"), labels=labels)[0] == 50
    assert nli(("1", "1"), ("0", "0"), ("-1", "0"), ("-1", "-1"))[0] == 75  # a class of three: -1, 0, 1
    with pytest.raises(InvalidArgument, match="all 2 are '-', '-1'"):
        nli(("-", "0"), ("-1", "1"))


def test_numbers_are_compared_as_numbers() -> None:
    assert nli(("0", "0.0"), ("1", "1"), ("2.0", "2"))[:2] == (100, ())


def test_what_is_left_out_counts_in_no_interval_and_has_no_score_of_its_own() -> None:
    plain = [(pair(said, str(i)), pair(gold, str(i))) for i, (gold, said) in enumerate(["aa", "ab", "ba", "bb", "bb"])]
    with_none = [plain[0], (pair("a", "x"), pair("-", "x")), *plain[1:]]
    assert {key: (one.value, one.low, one.high, one.n) for key, one in figures("nli", with_none).items()} == {
        key: (one.value, one.low, one.high, one.n) for key, one in figures("nli", plain).items()
    }
    table = taken("nli", with_none).table()
    own = table.figures[0].of_items(table.rows)
    assert own.tolist() == pytest.approx([100, float("nan"), 0, 0, 100, 100], nan_ok=True)


@pytest.mark.parametrize(
    ("name", "said", "gold", "warning"),
    [
        (
            "tagging", tagged("NN VBZ noun", field="upos"), tagged("NOUN VERB NOUN", field="upos"),
            "3 of 3 predicted tags are none of gold's and count as errors: 'NN' (1 time, did you mean 'NOUN'?), "
            "'VBZ' (1 time), 'noun' (1 time, did you mean 'NOUN'?)",
        ),
        ("tagging", tagged("ADJ VERB", field="upos"), tagged("NOUN VERB", field="upos"), None),
        ("tagging", tagged("JJ VB", field="upos"), tagged("NN VB", field="upos"), "'JJ' (1 time)"),
        (
            "parsing", tree((0, "root"), (1, "dobj:x")), tree((0, "root"), (1, "obj")),
            "1 of 2 predicted relations are none of gold's and count as errors: 'dobj' (1 time, did you mean 'obj'?)",
        ),
        ("parsing", tree((0, "root"), (1, "nsubj:pass")), tree((0, "root"), (1, "obj")), None),
        (
            "span_f1", tagged("B-PERSON I-PERSON B-LOC"), tagged("B-PER I-PER B-LOC"),
            "1 of 2 predicted entity types are none of gold's and count as errors: "
            "'PERSON' (1 time, did you mean 'PER'?)",
        ),
        ("span_f1", tagged("B-LOC O B-LOC"), tagged("B-PER I-PER B-LOC"), None),
    ],
)  # fmt: skip
def test_tags_relations_and_types(name, said, gold, warning):
    found = [one for one in taken(name, [(said, gold)]).table().warnings if "none of gold's" in one]
    assert found == [] if warning is None else warning in found[0]


def test_shards_count_what_is_strange_in_all() -> None:
    score = taken("tagging", [(tagged("A", field="upos"), tagged("NOUN", field="upos"))])
    score.merge(taken("tagging", [(tagged("A", field="upos"), tagged("VERB", field="upos"))]))
    assert score.table().warnings[0].startswith("2 of 2 predicted tags")


def test_only_so_many_are_named() -> None:
    (warning,) = outside(Counter({str(i) * 3: i + 1 for i in range(9)}), {"x"}, "labels")
    assert warning == (
        "45 of 45 predicted labels are none of gold's and count as errors: '888' (9 times), '777' (8 times), "
        "'666' (7 times), '555' (6 times), '444' (5 times) and 4 more"
    )

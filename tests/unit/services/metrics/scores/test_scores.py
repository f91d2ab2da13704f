"""Scores of text, spans, tags, trees and labels: tables by hand, degenerate input, shards that merge."""

import numpy as np
import pytest

from services.metrics.scores import SCORES, make
from services.metrics.scores.base import estimates
from services.metrics.scores.span_f1 import spans
from services.runtime.errors import InvalidArgument
from tests.support.scored import figures, pair, question, tagged, taken, text, tree, values

PARSE = [
    (
        tree((2, "nsubj:pass"), (0, "root"), (4, "obj"), (2, "punct")),
        tree((2, "nsubj", "NOUN"), (0, "root", "VERB"), (2, "obj", "NOUN"), (2, "punct", "PUNCT")),
    ),
    (
        tree((0, "root"), (1, "obj")),
        tree((0, "root", "VERB"), (1, "obl", "NOUN"), (1, "punct", "PUNCT")),
    ),
]


@pytest.mark.parametrize(
    ("name", "items", "language", "expected"),
    [
        (
            "bleu1", [(text("a b"), text("a b c d"))], "en",
            {("bleu1", "corpus"): 36.787944117144235, ("bleu1_precision", "corpus"): 100.0,
             ("brevity_penalty", "corpus"): 0.36787944117144233},
        ),
        (
            "bleu1", [(text("a a a"), text("a b")), (text("x"), text("x"))], "en",
            {("bleu1", "corpus"): 50.0, ("bleu1_precision", "corpus"): 50.0, ("brevity_penalty", "corpus"): 1.0},
        ),
        (
            "bleu1", [(text("天好"), text("天 很"))], "zh",
            {("bleu1", "corpus"): 50.0, ("bleu1_precision", "corpus"): 50.0, ("brevity_penalty", "corpus"): 1.0},
        ),
        (
            "bleu1", [(text(""), text("a"))], "en",
            {("bleu1", "corpus"): 0.0, ("bleu1_precision", "corpus"): 0.0, ("brevity_penalty", "corpus"): 0.0},
        ),
        # Vs = {the, cat, 1}, Vt = {le, chat, 1, dort}: of y = le the 1 chat ?, two are the target's own, one is shared.
        (
            "convert_rate",
            [(text("le the 1"), text("le chat 1", source="the cat 1")), (text("chat ?"), text("dort", source="cat"))],
            "fr",
            {("convert_rate", "corpus"): 2 / 4, ("token_set_size", "source"): 3, ("token_set_size", "target"): 4,
             ("token_set_size", "shared"): 1},
        ),
        (
            "tagging", [(tagged("N V", field="upos"), tagged("N N V", field="upos"))], "en",
            {("accuracy", "micro"): 100 / 3},
        ),
        # Right heads: 3 of 4 and 2 of 3; labels: 3 and 1; without punctuation 2 of 3 and 2 of 2; labels 2 and 1.
        (
            "parsing", PARSE, "en",
            {("uas", "all"): 500 / 7, ("las", "all"): 400 / 7, ("uas", "no_punct"): 80.0, ("las", "no_punct"): 60.0},
        ),
        # One of two spans right, one of two predicted.
        (
            "span_f1", [(tagged("B-PER I-PER O B-LOC"), tagged("B-PER I-PER O B-ORG"))], "en",
            {("f1", "micro"): 50.0, ("precision", "micro"): 50.0, ("recall", "micro"): 50.0},
        ),
        (
            "span_f1", [(tagged("I-PER O"), tagged("B-PER O B-LOC I-LOC"))], "en",
            {("f1", "micro"): 200 / 3, ("precision", "micro"): 100.0, ("recall", "micro"): 50.0},
        ),
        (
            "span_f1", [(tagged("O O"), tagged("B-PER O"))], "en",
            {("f1", "micro"): 0.0, ("precision", "micro"): 0.0, ("recall", "micro"): 0.0},
        ),
    ],
)  # fmt: skip
def test_values_worked_out_by_hand(name, items, language, expected):
    assert values(name, items, language) == pytest.approx(expected, rel=1e-12)


def test_confusion_matrix_worked_out_by_hand():
    said = [("e", "e"), ("e", "n"), ("n", "n"), ("c", ""), ("c", "c")]
    found = figures("nli", [(pair(label), pair(gold)) for gold, label in said])
    assert found["accuracy", "micro", "prediction", "gold"].value == pytest.approx(60)
    cells = {key[2:]: one.value for key, one in found.items() if key[0] == "confusion"}
    assert {cell: count for cell, count in cells.items() if count} == {
        ("e", "e"): 1, ("e", "n"): 1, ("n", "n"): 1, ("c", "(none)"): 1, ("c", "c"): 1
    }  # fmt: skip
    assert sum(cells.values()) == 5
    assert found["accuracy", "micro", "prediction", "gold"].warnings


@pytest.mark.parametrize(
    ("tags", "paper", "conll"),
    [
        ("O I-X O", [(1, 2, "X")], [(1, 2, "X")]),
        ("I-X I-X", [(0, 2, "X")], [(0, 2, "X")]),
        ("B-X I-Y I-Z", [(0, 3, "Z")], [(0, 1, "X"), (1, 2, "Y"), (2, 3, "Z")]),
        ("B-X B-X I-X O", [(0, 1, "X"), (1, 3, "X")], [(0, 1, "X"), (1, 3, "X")]),
        ("B-X O I-X", [(0, 1, "X"), (2, 3, "X")], [(0, 1, "X"), (2, 3, "X")]),
        ("I-X I-Y B-Y", [(0, 2, "Y"), (2, 3, "Y")], [(0, 1, "X"), (1, 2, "Y"), (2, 3, "Y")]),
    ],
)
def test_repair_of_tags(tags, paper, conll):
    assert spans(tags.split()) == paper
    assert spans(tags.split(), last_type=False) == conll


TAGS = tagged("B-A O")
N20 = [(tagged("N", str(i), "upos"), tagged("N", str(i), "upos")) for i in range(20)]


@pytest.mark.parametrize(
    ("name", "items", "field"),
    [
        ("bleu1", [(text("a"), text(" "))], "items[0].gold"),
        ("bleu1", [(text("a"), text("a")), (text("a"), pair("e"))], "items[1].gold"),
        ("bleu1", [(pair("e"), text("a"))], "items[0].prediction"),
        ("convert_rate", [(text("a"), text("a"))], "items[0].gold.attributes[source]"),
        ("convert_rate", [(text("a"), text("a", source="a"))], "items"),
        ("qa", [(text("a"), text("a"))], "items[0].gold"),
        ("span_f1", [(TAGS, tagged("O O"))], "items"),
        ("span_f1", [(tagged("O PER"), TAGS)], "items[0].prediction.sentence.words[1].ner"),
        ("span_f1", [(TAGS, tagged(["B-A", ""]))], "items[0].gold.sentence.words[1].ner"),
        ("span_f1", [(tagged("O O O"), TAGS)], "items[0].prediction.sentence.words"),
        ("span_f1", [(TAGS, tagged(""))], "items[0].gold.sentence.words"),
        ("tagging", [(TAGS, TAGS)], "items[0].gold.sentence.words[0].upos"),
        ("tagging", N20, "items"),
        ("parsing", [(TAGS, TAGS)], "items[0].gold.sentence.words[0].head"),
        ("parsing", [(tree((0, "root")), tree((2, "root")))], "items[0].gold.sentence.words[0].head"),
        ("nli", [(pair("e"), pair(""))], "items[0].gold.pair.label"),
        ("nli", [(pair("e"), pair("neutral"))] * 20, "items"),
    ],
)
def test_degenerate_items_are_typed_errors(name, items, field):
    with pytest.raises(InvalidArgument) as error:
        figures(name, items)
    assert error.value.field == field


@pytest.mark.parametrize(
    ("name", "options", "field"),
    [
        ("bleu2", {}, "spec.score"),
        ("bleu1", {"token": "words"}, "spec.options[token]"),
        ("bleu1", {"tokens": "bpe"}, "spec.options[tokens]"),
        ("nli", {"resamples": "0"}, "spec.options[resamples]"),
        ("nli", {"seed": "x"}, "spec.options[seed]"),
    ],
)
def test_unknown_scores_and_options_are_typed_errors(name, options, field):
    with pytest.raises(InvalidArgument) as error:
        make(name, "en", options)
    assert error.value.field == field


def corpus(name, seed=0, count=40):
    rng = np.random.default_rng(seed)

    def words(low=1):
        return " ".join(rng.choice(list("abcdef"), rng.integers(low, 8)))

    def tags(kinds, size):
        return list(rng.choice(kinds, size))

    for number in range(count):
        size, key = int(rng.integers(1, 8)), f"{seed}-{number}"
        if name in {"bleu1", "convert_rate"}:
            yield text(words(0), key), text(words() + " g", key, source=words().replace("a", "h"))
        elif name == "qa":
            yield text(words(0), key), question(words(), words(), key=key)
        elif name == "span_f1":
            kinds = ["O", "B-X", "I-X", "B-Y", "I-Y"]
            yield tagged(tags(kinds, size), key), tagged(tags(kinds[:2], size), key)
        elif name == "tagging":
            yield (tagged(tags(["N", "V"], size), key, "upos") for _ in range(2))
        elif name == "parsing":
            yield (
                tree(
                    *[(int(rng.integers(0, size + 1)), str(rng.choice(["obj", "a:b", "a"]))) for _ in range(size)],
                    key=key,
                )
                for _ in range(2)
            )
        else:
            yield (pair(str(rng.choice(["e", "n", "c"])), key) for _ in range(2))


@pytest.mark.parametrize("name", SCORES)
def test_shards_give_the_numbers_of_the_whole(name):
    first, second = [tuple(item) for item in corpus(name)], [tuple(item) for item in corpus(name, 1, 25)]
    whole = taken(name, [*first, *second]).table()
    merged = taken(name, first)
    merged.merge(taken(name, second))
    assert estimates(name, merged.table(), resamples=50) == estimates(name, whole, resamples=50)
    turned = taken(name, second)
    turned.merge(taken(name, first))
    straight, back = (estimates(name, each, resamples=50) for each in (whole, turned.table()))
    assert [one.value for one in back] == pytest.approx([one.value for one in straight], rel=1e-9)


@pytest.mark.parametrize("name", SCORES)
def test_intervals_are_seeded_and_hold_the_value(name):
    table = taken(name, [tuple(item) for item in corpus(name)]).table()
    found = estimates(name, table, resamples=100, seed=3)
    assert found == estimates(name, table, resamples=100, seed=3)
    assert all(one.low <= one.value <= one.high and one.n == 40 for one in found)
    assert all(f"score:{name}|metric:{one.metric}" in one.signature for one in found)
    assert all("ci:bootstrap-items-100|seed:3" in one.signature for one in found)


def test_the_bootstrap_of_a_mean_is_near_theory():
    items = [(pair("e" if i % 3 else "n"), pair("e" if i % 2 else "n")) for i in range(600)]
    table = taken("nli", items).table()
    accuracy = estimates("nli", table, resamples=4000)[0]
    share = accuracy.value / 100
    reach = 100 * 1.96 * np.sqrt(share * (1 - share) / 600)
    assert accuracy.high - accuracy.value == pytest.approx(reach, rel=0.1)
    assert accuracy.value - accuracy.low == pytest.approx(reach, rel=0.1)

"""The scores of each item: tables by hand, their mean where it is the figure, messages of bounded size."""

import numpy as np
import pytest

from services.metrics.api.scores import item_scores
from services.metrics.scores import SCORES
from tests.support.scored import pair, question, tagged, taken, text, tree, values

NAN = float("nan")
PARSE = [
    (tree((2, "nsubj"), (0, "root")), tree((2, "obj", "NOUN"), (0, "root", "VERB"), (2, "punct", "PUNCT"))),
    (tree((0, "root")), tree((0, "root", "PUNCT"))),
]
ITEMS = {
    "bleu1": [(text("a b"), text("a b c d")), (text("a a"), text("a", "2")), (text(""), text("a", "3"))],
    # Vs = {the, cat}, Vt = {le, cat}: le is the target's own, cat is shared, x is neither.
    "convert_rate": [(text("le x cat"), text("le", source="the cat")), (text("cat"), text("cat", "2", source="cat"))],
    "qa": [(text("the cat"), question("a cat", "dog")), (text("big dog"), question("dog")), (text(""), question("x"))],
    "span_f1": [
        (tagged("B-A O B-B"), tagged("B-A O B-C")),
        (tagged("O O"), tagged("O O", "2")),
        (tagged("B-A O"), tagged("O O", "3")),
        (tagged("O O"), tagged("B-A O", "4")),
    ],
    "tagging": [(tagged("N V", field="upos"), tagged("N N N", field="upos")), (tagged("V", field="upos"),) * 2],
    "parsing": PARSE,
    "nli": [(pair("e"), pair("e")), (pair("n"), pair("e", "2"))],
}
EXPECTED = {
    "bleu1": {
        "bleu1": [100 * np.exp(-1), 50, 0], "bleu1_precision": [100, 50, 0], "brevity_penalty": [np.exp(-1), 1, 0]
    },
    "convert_rate": {"convert_rate": [1 / 2, NAN]},
    "qa": {"em": [100, 0, 0], "f1": [100, 200 / 3, 0]},
    "span_f1": {"f1": [50, 100, 0, 0]},
    "tagging": {"accuracy": [100 / 3, 100]},
    "parsing": {"uas:all": [200 / 3, 100], "las:all": [100 / 3, 100], "uas:no_punct": [100, NAN],
                "las:no_punct": [50, NAN]},
    "nli": {"accuracy": [100, 0]},
}  # fmt: skip


def by_column(name: str, limit: int = 1 << 20) -> dict[str, list[float]]:
    table = taken(name, ITEMS[name]).table()
    keys = [(f"item {number}", "en") for number in range(len(ITEMS[name]))]
    parts = list(item_scores(table, keys, limit))
    assert [one for part in parts for one in part.ids] == [key for key, _ in keys]
    assert [one for part in parts for one in part.languages] == ["en"] * len(keys)
    metrics = [figure.metric for figure in parts[0].figures]
    return {
        figure.metric if metrics.count(figure.metric) == 1 else f"{figure.metric}:{figure.estimator}": [
            value for part in parts for value in part.figures[index].values
        ]
        for index, figure in enumerate(parts[0].figures)
    }


@pytest.mark.parametrize("name", SCORES)
def test_worked_out_by_hand(name: str) -> None:
    found = by_column(name)
    assert found.keys() == EXPECTED[name].keys()
    for column, expected in EXPECTED[name].items():
        np.testing.assert_allclose(found[column], expected, rtol=1e-12)


@pytest.mark.parametrize("name", SCORES)
def test_pieces_make_the_whole(name: str) -> None:
    np.testing.assert_equal(by_column(name, limit=1), by_column(name))


@pytest.mark.parametrize(("name", "columns"), [("qa", ("em", "f1")), ("nli", ("accuracy",))])
def test_the_mean_of_the_items_is_the_figure_where_it_is_a_mean(name: str, columns: tuple[str, ...]) -> None:
    whole = {metric: value for (metric, _), value in values(name, ITEMS[name]).items()}
    for column in columns:
        assert np.mean(by_column(name)[column]) == pytest.approx(whole[column], rel=1e-12)


def test_messages_are_bounded() -> None:
    items = [(pair("e"), pair("e" if number % 2 else "n", str(number))) for number in range(500)]
    keys = [(f"{number}-" + "é" * (number % 40), "en") for number in range(500)]
    parts = list(item_scores(taken("nli", items).table(), keys, 2000))
    assert len(parts) > 10
    assert all(part.ByteSize() <= 2100 for part in parts)

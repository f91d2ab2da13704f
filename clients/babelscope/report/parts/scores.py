"""Scores as tables, with confusion matrices where a score has labels."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from babelscope.report.guide import Guide
from babelscope.report.names import language_name
from babelscope.report.parts.base import Part, interval, span
from babelscope.report.tables import Table
from babelscope.study.sections.scores import SECTION, Figure, Scored

_UNIT: Final = ("brevity_penalty", "convert_rate")
_GUIDES: Final = {
    "bleu1": Guide(
        "BLEU-1",
        "Precision of the output’s words, each counted at most as often as in the reference, times a penalty for "
        "outputs that are too short (Papineni et al. 2002).",
        "A high precision with a low brevity penalty means correct but truncated output.",
    ),
    "convert_rate": Guide(
        "Convert rate",
        "The share of predicted tokens that occur only in the target language’s corpus; tokens of both corpora are "
        "left out (Liu et al. 2020).",
        "It does not measure whether the tokens are correct.",
    ),
    "qa": Guide(
        "EM and F1",
        "The share of answers that match a gold answer exactly (EM), and the overlap of words with the best gold "
        "answer (F1), means over questions (Rajpurkar et al. 2016).",
        "Words depend on the normaliser, which the signature names: compare within one language.",
    ),
    "span_f1": Guide(
        "Span F1",
        "Harmonic mean of precision and recall over spans with correct borders and types (Conneau, Wu et al. 2020).",
        "An I- tag without a preceding B- tag opens a span.",
    ),
    "tagging": Guide(
        "Tagging accuracy", "The share of words with the correct tag.", "Words without a tag count as wrong."
    ),
    "parsing": Guide(
        "UAS and LAS",
        "The share of words with the correct head (UAS), and with the correct head and relation (LAS), with and "
        "without punctuation (Zeman et al. 2018).",
        "Subtypes of relations are ignored.",
    ),
    "nli": Guide(
        "NLI accuracy",
        "The share of sentence pairs with the correct label.",
        "Compare it with the share of the most frequent label.",
    ),
}


@dataclass(frozen=True, slots=True)
class Confusion:
    """Gold labels by predicted labels, counted.

    Attributes:
        language: The language of the items.
        labels: Labels of the columns, the predicted ones.
        rows: Gold labels, each with its counts by column.
    """

    language: str
    labels: Sequence[str]
    rows: Sequence[tuple[str, Sequence[int]]]


@dataclass(frozen=True, slots=True)
class Board:
    """One system under one score.

    Attributes:
        name: The system.
        table: Its figures by language.
        confusions: A matrix for every language that has labels.
        chance: The chance level, in a sentence.
    """

    name: str
    table: Table
    confusions: Sequence[Confusion]
    chance: str


def boards(records: Sequence[Scored]) -> list[Board]:
    """The figures of every score and system."""
    grouped: dict[tuple[str, str], list[Scored]] = {}
    for each in records:
        grouped.setdefault((each.score, each.name), []).append(each)
    return [
        Board(name, _table(score, listed), [_confusion(each) for each in listed if _cells(each)], _chance(listed))
        for (score, name), listed in grouped.items()
    ]


def _table(score: str, listed: Sequence[Scored]) -> Table:
    columns = list(dict.fromkeys((figure.metric, figure.estimator) for each in listed for figure in _plain(each)))
    head = ["Language", "Trained in", "n", *(_heading(*column) for column in columns)]
    body = []
    for each in listed:
        found = {(figure.metric, figure.estimator): figure for figure in _plain(each)}
        shown = [_value(found[column]) if column in found else "" for column in columns]
        count = str(max((figure.n for figure in each.figures), default=0))
        body.append([language_name(each.language), language_name(each.source) if each.source else "", count, *shown])
    return Table(f"{_GUIDES[score].title}", head, body)


def _confusion(each: Scored) -> Confusion:
    found = _cells(each)
    gold = list(dict.fromkeys(left for left, _ in found))
    labels = list(dict.fromkeys([*gold, *(right for _, right in found)]))
    return Confusion(
        each.language, labels, [(left, [found.get((left, right), 0) for right in labels]) for left in gold]
    )


def guides(records: Sequence[Scored]) -> list[tuple[Guide, str]]:
    """How to read each score."""
    by_score: dict[str, list[Scored]] = {}
    for each in records:
        by_score.setdefault(each.score, []).append(each)
    return [(_GUIDES[score], _chance(listed)) for score, listed in by_score.items()]


def _chance(listed: Sequence[Scored]) -> str:
    """What the most frequent gold label alone would reach, where there are labels."""
    shares = [_most_frequent(each) for each in listed if _cells(each)]
    if not shares:
        return "These scores have no chance level: compare systems on the same items."
    return f"Chance level: {span((100 * each for each in shares), 1)} %, for always predicting the most frequent label."


def _most_frequent(each: Scored) -> float:
    totals: dict[str, int] = {}
    for (left, _), count in _cells(each).items():
        totals[left] = totals.get(left, 0) + count
    return max(totals.values()) / sum(totals.values())


def _cells(each: Scored) -> dict[tuple[str, str], int]:
    return {(one.left, one.right): round(one.value) for one in each.figures if one.metric == "confusion"}


def _plain(each: Scored) -> list[Figure]:
    return [one for one in each.figures if one.metric != "confusion"]


def _heading(metric: str, estimator: str) -> str:
    return f"{metric} ({estimator})" if estimator else metric


def _value(figure: Figure) -> str:
    if figure.metric == "token_set_size":
        return f"{figure.value:,.0f}"
    return interval(figure.value, figure.low, figure.high, 3 if figure.metric in _UNIT else 1)


PART = Part(SECTION, "Scores", guides, boards)

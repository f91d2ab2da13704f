"""Retrieval of words by layer, and how much of each dictionary could be asked."""

from collections.abc import Sequence
from typing import Any, Final

from babelscope.report.guide import Guide, label
from babelscope.report.names import language_name
from babelscope.report.numbers import LayerMeasure
from babelscope.report.parts.base import Part, span
from babelscope.report.tables import Table
from babelscope.study.result import Row, StudyResult
from babelscope.study.sections.words import SECTION, WordsFound

_GUIDE: Final = Guide(
    "Word retrieval",
    "The share of a dictionary’s words for which one of their translations is among the k nearest of all candidate "
    "words (P@k), and the mean of 1 over the rank of the best of them (MRR). Words are encoded by themselves, "
    "without a sentence, or, where the table says so, averaged over all their occurrences in a corpus, or the rows of "
    "the model’s word embedding table, which only words of one piece have.",
    "Only covered words are queries: those with a translation among the candidates. More candidates make retrieval "
    "harder, and errors in the dictionary count against the model.",
)


def tables(records: Sequence[WordsFound]) -> list[Table]:
    """The coverage of every dictionary."""
    head = (
        "Dictionary",
        "Words",
        "Model",
        "Pairs",
        "Source words",
        "Covered",
        "Candidates",
        "Examples not covered",
    )
    body = [
        (
            each.dictionary, f"{language_name(each.source)} → {language_name(each.target)}", each.model,
            f"{each.pairs:,}", f"{each.sources:,}", f"{each.covered:,} ({100 * each.covered / each.sources:.1f} %)",
            f"{each.candidates:,}{_made_of(each)}", ", ".join(each.lacking) or "–",
        )
        for each in records
    ]  # fmt: skip
    return [Table("Coverage of the dictionaries", head, body, words=frozenset({1, 2, 7}))]


def _made_of(found: WordsFound) -> str:
    """What the words of a dictionary are, where they are not encoded by themselves."""
    if found.embedding_table:
        return f", of the embedding table; {found.left_out:,} words of both languages are not one piece"
    return ", in contexts" if found.contexts else ""


def payload(records: Sequence[WordsFound], result: StudyResult) -> list[dict[str, Any]]:
    """An entry a dictionary and measure, nothing rounded."""
    models = len({each.model for each in records}) > 1
    del result
    entries = []
    for each in records:
        pair = f"{language_name(each.source)} → {language_name(each.target)}, {each.dictionary}"
        grouped: dict[tuple[str, str, bool], list[Row]] = {}
        for row in each.rows:
            grouped.setdefault((row.metric, row.estimator, row.centred), []).append(row)
        for (metric, estimator, centred), rows in grouped.items():
            ways: dict[str, list[Row]] = {}
            for row in rows:
                ways.setdefault(f"{language_name(row.source)} → {language_name(row.target)}", []).append(row)
            entries.append(
                {
                    "name": f"{pair}, {each.model}" if models else pair,
                    "measure": label(LayerMeasure("retrieval", metric, estimator, centred)),
                    "lines": [
                        {
                            "name": way, "x": [row.layer for row in listed], "v": [row.value for row in listed],
                            "lo": [row.low for row in listed], "hi": [row.high for row in listed],
                            "nm": [row.null_mean for row in listed], "n": listed[0].n,
                        }
                        for way, listed in ways.items()
                    ],
                    "covered": each.covered, "sources": each.sources, "candidates": each.candidates,
                }
            )  # fmt: skip
    return entries


def guides(records: Sequence[WordsFound]) -> list[tuple[Guide, str]]:
    """How to read it, with the chance level of P@1."""
    null = [100 * row.null_mean for each in records for row in each.rows if row.metric == "p@1"]
    said = (
        f"Chance level of P@1: {span(null, 3)} %." if null else "Chance level: k divided by the number of candidates."
    )
    return [(_GUIDE, said)]


PART = Part(SECTION, "Word retrieval", guides, tables, payload)
